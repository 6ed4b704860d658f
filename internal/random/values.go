package random

import (
	"math"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// fields are few, so that updates hit them. Some have names that a path would
// take apart, or that an update takes for an operator.
var fields = []string{"a", "b", "c", "k", "l", "l", "m", "n", "z", "y", "10", "9", "0", "A", "$dollar", "dot.ted", "", "e.0", "_x"}

// plainFields can stand in a path.
var plainFields = []string{"a", "b", "c", "k", "l", "m", "n", "z", "y", "10", "9", "0", "A", "_x"}

func decimal(text string) bson.Decimal128 {
	v, err := bson.ParseDecimal128(text)
	if err != nil {
		panic(err)
	}
	return v
}

// number is small, and of any type.
func (g *Generator) number() any {
	n := g.r.IntN(6)
	switch g.r.IntN(6) {
	case 0, 1:
		return int32(n)
	case 2:
		return int64(n)
	case 3:
		return float64(n)
	case 4:
		return decimal(one(g, "0", "1", "1.0", "2.00", "3E0", "0.1", "-0", "1E+1"))
	default:
		return one[any](g, math.Copysign(0, -1), 0.1, math.NaN(), math.Inf(1), math.Inf(-1), int64(math.MaxInt64), 1e300, int32(10))
	}
}

// scalar is of any type that a document can hold.
func (g *Generator) scalar() any {
	if g.maybe(40) {
		return g.number()
	}
	return one[any](g,
		"text", "Text", "", "é", strings.Repeat("x", 300), true, false, nil, bson.DateTime(g.r.IntN(5)), bson.DateTime(time.Hour/time.Millisecond),
		bson.ObjectID{byte(g.r.IntN(4))}, bson.Binary{Data: []byte{1, 2}}, bson.Binary{Subtype: 4, Data: make([]byte, 16)}, bson.Binary{Subtype: 0x80},
		bson.Regex{Pattern: "^a", Options: "i"}, bson.JavaScript("f()"), bson.Timestamp{T: 1, I: uint32(g.r.IntN(3))}, bson.Timestamp{},
		bson.MinKey{}, bson.MaxKey{}, bson.Undefined{}, bson.Symbol("symbol"), decimal("NaN"), decimal("Infinity"), decimal("1.000"),
		bson.CodeWithScope{Code: "f()", Scope: bson.D{{Key: "x", Value: int32(1)}}}, bson.DBPointer{DB: "x.y", Pointer: bson.ObjectID{1}})
}

// value is a scalar, or something that holds some.
func (g *Generator) value(depth int) any {
	switch n := g.r.IntN(10); {
	case depth == 0 || n < 6:
		return g.scalar()
	case n < 8:
		return g.fields(g.r.IntN(4), depth-1)
	default:
		return g.array(depth - 1)
	}
}

func (g *Generator) array(depth int) bson.A {
	out := bson.A{}
	for range g.r.IntN(6) {
		out = append(out, g.value(depth))
	}
	return out
}

// fields makes a document of so many fields, each name once, but for once in a
// while.
func (g *Generator) fields(n, depth int) bson.D {
	out := bson.D{}
	seen := map[string]bool{}
	for range n {
		name := one(g, fields...)
		if seen[name] {
			continue
		}
		seen[name] = true
		if name == "l" && g.maybe(60) {
			out = append(out, bson.E{Key: name, Value: g.array(depth)})
			continue
		}
		out = append(out, bson.E{Key: name, Value: g.value(depth)})
	}
	return out
}

// id is from a small pool, so that documents meet again.
func (g *Generator) id() any {
	switch g.r.IntN(8) {
	case 0, 1, 2:
		return g.number()
	case 3, 4:
		return one(g, "a", "A", "b", "B", "é", "e", "")
	case 5:
		return d("k", g.number())
	case 6:
		return one[any](g, d("k", int32(1), "x", bson.A{g.number(), "a"}), d("x", nil), d())
	default:
		for {
			switch v := g.scalar().(type) {
			case bson.Regex, bson.Undefined: // no _id
			default:
				return v
			}
		}
	}
}

// document is a whole one; now and then it is large.
func (g *Generator) document() bson.D {
	doc := g.fields(1+g.r.IntN(6), 2)
	if g.maybe(95) {
		doc = append(bson.D{{Key: "_id", Value: g.id()}}, doc...)
	}
	if g.maybe(3) {
		doc = append(doc, bson.E{Key: "pad", Value: g.pad()})
	}
	return doc
}

// pad is a large string, as long as there is room.
func (g *Generator) pad() any {
	size := one(g, 1<<10, 20<<10, 100<<10, 200<<10)
	if g.maybe(4) {
		size = 9 << 20
	}
	if size > g.room {
		return "no room"
	}
	g.room -= size
	return d("$pad", int32(size))
}
