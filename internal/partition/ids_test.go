package partition

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// idTypes is values of _id by type: everything that a server takes for an _id,
// in numbers that put bounds inside and between the types.
func idTypes(t *testing.T) map[string][]any {
	t.Helper()
	types := map[string][]any{
		"minKey": {bson.MinKey{}}, "maxKey": {bson.MaxKey{}}, "null": {nil}, "bool": {false, true},
		"numbers apart": {math.NaN(), math.Inf(-1), math.Inf(1), math.Copysign(0, -1), math.MaxFloat64, math.SmallestNonzeroFloat64,
			int64(math.MinInt64), int64(math.MaxInt64), int32(math.MaxInt32), decimal(t, "1E-6176"), decimal(t, "9E6144"), decimal(t, "-9E6144")},
	}
	for i := range 40 {
		for name, value := range map[string]any{
			"int32": int32(i*4 + 100), "int64": int64(i*4 + 101), "double": float64(i*4) + 102.5, "decimal": decimal(t, fmt.Sprintf("%d.25", i*4+103)),
			"string": fmt.Sprint("s", i), "symbol": bson.Symbol(fmt.Sprint("y", i)), "long string": strings.Repeat("x", 300) + fmt.Sprint(i),
			"document": bson.D{{Key: "a", Value: i % 7}, {Key: "b", Value: fmt.Sprint(i)}}, "empty string": strings.Repeat("\x00", i),
			"binary": bson.Binary{Data: []byte{byte(i), 1}}, "uuid": bson.Binary{Subtype: 4, Data: append(make([]byte, 15), byte(i))},
			"objectId": bson.ObjectID{byte(i)}, "date": time.UnixMilli(int64(i-20) * 1e10), "timestamp": bson.Timestamp{T: uint32(i + 1), I: 1},
			"dbPointer": bson.DBPointer{DB: "a.b", Pointer: bson.ObjectID{byte(i)}}, "javascript": bson.JavaScript(fmt.Sprint("f", i)),
			"codeWithScope":      bson.CodeWithScope{Code: bson.JavaScript(fmt.Sprint("g", i)), Scope: bson.D{{Key: "x", Value: i}}},
			"document of arrays": bson.D{{Key: "a", Value: bson.A{i, "x", nil}}}, "regex inside": bson.D{{Key: "r", Value: bson.Regex{Pattern: fmt.Sprint(i)}}},
		} {
			types[name] = append(types[name], value)
		}
	}
	return types
}

func decimal(t *testing.T, text string) bson.Decimal128 {
	t.Helper()
	d, err := bson.ParseDecimal128(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// allTypes is the values of every type in one list.
func allTypes(t *testing.T) []any {
	t.Helper()
	var all []any
	for _, values := range idTypes(t) {
		all = append(all, values...)
	}
	return all
}

// integers is n numbers whose types take turns.
func integers(n int) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = []any{int32(i), int64(i), float64(i)}[i%3]
	}
	return out
}

// words is strings that a collation orders otherwise than their bytes.
func words(n int) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = fmt.Sprintf("%c%d", []rune("aBcDéZöaA")[i%8], i)
	}
	return out
}
