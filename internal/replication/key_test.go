package replication

import (
	"math"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func value(t testing.TB, v any) bson.RawValue {
	t.Helper()
	raw, err := bson.Marshal(bson.D{{Key: "v", Value: v}})
	if err != nil {
		t.Fatal(err)
	}
	return bson.Raw(raw).Lookup("v")
}

func decimal128(t testing.TB, text string) bson.Decimal128 {
	t.Helper()
	d, err := bson.ParseDecimal128(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestCanonicalID: what the _id index holds for one value has one key, what it
// holds for different values has different keys.
func TestCanonicalID(t *testing.T) {
	t.Parallel()
	when := time.UnixMilli(7)
	groups := [][]any{
		{int32(1), int64(1), 1.0, decimal128(t, "1"), decimal128(t, "1.00"), decimal128(t, "10E-1")},
		{int32(0), 0.0, math.Copysign(0, -1), decimal128(t, "0"), decimal128(t, "-0E10")},
		{1.5, decimal128(t, "1.5"), decimal128(t, "1.50")},
		{0.1}, {decimal128(t, "0.1")},
		{math.NaN(), decimal128(t, "NaN")}, {math.Inf(1), decimal128(t, "Infinity")}, {math.Inf(-1), decimal128(t, "-Infinity")},
		{int64(math.MaxInt64)}, {float64(1 << 63), decimal128(t, "9223372036854775808")},
		{int64(1) << 53, float64(1 << 53)}, {int64(1)<<53 + 1},
		{int32(100), decimal128(t, "1E2")}, {int32(10)}, {int32(-100)},
		{"1"}, {"a", bson.Symbol("a")}, {"A"}, {""}, {nil}, {true}, {false}, {when}, {bson.MinKey{}}, {bson.MaxKey{}},
		{bson.Timestamp{T: 0, I: 7}}, {bson.ObjectID{1}}, {bson.Binary{Data: []byte{1}}}, {bson.Binary{Subtype: 4, Data: []byte{1}}},
		{bson.D{{Key: "a", Value: int32(1)}}, bson.D{{Key: "a", Value: 1.0}}, bson.D{{Key: "a", Value: int64(1)}}},
		{bson.D{{Key: "a", Value: 1}, {Key: "b", Value: 2}}}, {bson.D{{Key: "b", Value: 2}, {Key: "a", Value: 1}}},
		{bson.D{{Key: "a", Value: bson.D{{Key: "b", Value: 1}}}}}, {bson.D{{Key: "a", Value: bson.A{int32(1), 2.0}}}, bson.D{{Key: "a", Value: bson.A{1.0, int64(2)}}}},
		{bson.D{}}, {bson.D{{Key: "", Value: ""}}}, {bson.D{{Key: "ab", Value: "c"}}}, {bson.D{{Key: "a", Value: "bc"}}},
		{bson.JavaScript("f")}, {bson.CodeWithScope{Code: "f", Scope: bson.D{}}},
	}
	seen := map[string]int{}
	for g, group := range groups {
		for _, v := range group {
			id := canonicalID(value(t, v))
			if other, ok := seen[id]; ok && other != g {
				t.Errorf("%v (%T) has the key of group %d, want its own (%d)", v, v, other, g)
			}
			seen[id] = g
		}
	}
	if len(seen) != len(groups) {
		t.Errorf("%d keys for %d groups", len(seen), len(groups))
	}
}
