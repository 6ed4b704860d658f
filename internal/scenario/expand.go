package scenario

import (
	"fmt"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// secondSuffix makes the name of a scenario's second database.
const secondSuffix = "_2"

// Databases are those that belong to a scenario that runs in db.
func Databases(db string) []string { return []string{db, db + secondSuffix} }

// Fill gives an operation outside of a repeat with its placeholders filled in, for
// one that runs in db.
func Fill(db string, operation bson.D) (bson.D, error) {
	return place{db: db, number: -1}.document(operation)
}

// place fills in placeholders. number is that of the repetition, negative
// outside of one.
type place struct {
	db     string
	number int
}

func (p place) text(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	pairs := []string{"%DB2%", p.db + secondSuffix, "%DB%", p.db}
	if p.number >= 0 {
		pairs = append(pairs, "%I%", strconv.Itoa(p.number))
	}
	return strings.NewReplacer(pairs...).Replace(s)
}

// value gives a value with its placeholders filled in; the original is not
// touched.
func (p place) value(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return p.text(v), nil
	case bson.A:
		out := make(bson.A, len(v))
		for i := range v {
			var err error
			if out[i], err = p.value(v[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case bson.D:
		if len(v) == 1 && (v[0].Key == "$i" || v[0].Key == "$pad") {
			return p.special(v[0])
		}
		return p.document(v)
	default:
		return v, nil
	}
}

func (p place) document(d bson.D) (bson.D, error) {
	out := make(bson.D, len(d))
	for i, e := range d {
		v, err := p.value(e.Value)
		if err != nil {
			return nil, err
		}
		out[i] = bson.E{Key: e.Key, Value: v}
	}
	return out, nil
}

func (p place) special(e bson.E) (any, error) {
	n, ok := e.Value.(int32)
	switch {
	case e.Key == "$pad" && ok && n >= 0:
		return strings.Repeat("x", int(n)), nil
	case e.Key == "$i" && ok && n == 1 && p.number >= 0:
		return int32(p.number), nil
	case e.Key == "$i" && p.number < 0:
		return nil, fmt.Errorf(`{"$i": 1} outside of a repeat`)
	default:
		return nil, fmt.Errorf(`%q cannot be %v: want {"$i": 1} or {"$pad": bytes}`, e.Key, e.Value)
	}
}
