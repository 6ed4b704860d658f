package partition

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/catalog"
	"mongoferry/internal/enginetest"
	"mongoferry/internal/migration"
	"mongoferry/internal/namespace"
)

func TestBundle(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	sized := func(sizes ...int64) (parts []Part) {
		for i, s := range sizes {
			parts = append(parts, Part{NS: migration.Namespace{DB: "db", Collection: fmt.Sprint(i)}, Bytes: s})
		}
		return parts
	}
	many := make([]int64, 450)
	cases := []struct {
		name  string
		parts []Part
		want  []int // parts in each unit
	}{
		{"none", nil, nil},
		{"large ones alone", sized(100*mb, 100*mb), []int{1, 1}},
		{"large first, small together", sized(1*mb, 2*mb, 100*mb, 3*mb), []int{1, 3}},
		{"a full bundle", sized(40*mb, 24*mb, 40*mb), []int{1, 2}},
		{"never more than a bundle's parts", sized(many...), []int{200, 200, 50}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			units := bundle(tc.parts)
			var got []int
			seen := map[string]bool{}
			for i, u := range units {
				if u.ID != i {
					t.Errorf("unit %d has the id %d", i, u.ID)
				}
				got = append(got, len(u.Parts))
				for _, p := range u.Parts {
					seen[p.NS.Collection] = true
				}
			}
			if !reflect.DeepEqual(got, tc.want) || len(seen) != len(tc.parts) {
				t.Errorf("got units of %v parts, want %v; %d of %d parts are there", got, tc.want, len(seen), len(tc.parts))
			}
		})
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	db := t.Name()
	fill(t, migration.Namespace{DB: db, Collection: "a"}, integers(100), 1000)
	fill(t, migration.Namespace{DB: db, Collection: "b"}, integers(10), 10)
	create(t, migration.Namespace{DB: db, Collection: "empty"})
	run(t, db, bson.D{{Key: "create", Value: "view"}, {Key: "viewOn", Value: "a"}})
	run(t, db, bson.D{{Key: "createIndexes", Value: "a"}, {Key: "indexes", Value: bson.A{
		bson.D{{Key: "key", Value: bson.D{{Key: "x", Value: 1}}}, {Key: "name", Value: "x"}},
		bson.D{{Key: "key", Value: bson.D{{Key: "_id", Value: 1}, {Key: "y", Value: 1}}}, {Key: "name", Value: "y"}},
		bson.D{{Key: "key", Value: bson.D{{Key: "_id", Value: 1}, {Key: "y", Value: 1}}}, {Key: "name", Value: "unique twin"}, {Key: "unique", Value: true}},
	}}})
	filter, err := namespace.Parse([]string{db + ".*"}, nil, "mongoferry")
	if err != nil {
		t.Fatal(err)
	}
	cols, err := catalog.ReadDatabase(t.Context(), enginetest.Source(t), db, filter)
	if err != nil {
		t.Fatal(err)
	}
	units, totals, err := Plan(t.Context(), enginetest.Source(t), cols)
	if err != nil {
		t.Fatal(err)
	}
	if totals.Namespaces != 3 || totals.Documents != 110 || totals.Indexes != 2 || totals.Bytes < 100*1000 {
		t.Errorf("got the totals %+v for three collections, a view, and an index that waits for the cutover", totals)
	}
	if len(units) != 1 || len(units[0].Parts) != 3 || units[0].Parts[0].NS.Collection != "a" {
		t.Errorf("got %+v, want one unit with the three collections, the largest first, and no view", units)
	}
}

// Bounds of every type come back as the bytes they were.
func TestStoreAndLoad(t *testing.T) {
	t.Parallel()
	var unit Unit
	for i, id := range allTypes(t) {
		bound := rawValue(t, id)
		unit.Parts = append(unit.Parts,
			Part{UUID: []byte{byte(i)}, NS: migration.Namespace{DB: "db", Collection: "c"}, Min: bound, Documents: int64(i), Bytes: 1 << 40},
			Part{Max: bound, Natural: true, Clustered: true, Collation: raw(t, bson.D{{Key: "locale", Value: "fr"}})})
	}
	unit.Parts = append(unit.Parts, Part{})
	units := []Unit{unit, {ID: 1, Parts: []Part{{Documents: 1}}}}
	for range 2 { // storing again, as a repeated attempt does, changes nothing
		if err := Store(t.Context(), enginetest.Source(t), t.Name(), units); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range units {
		got, err := Load(t.Context(), enginetest.Source(t), t.Name(), want.ID)
		if err != nil {
			t.Fatal(err)
		}
		if string(raw(t, got)) != string(raw(t, want)) {
			t.Errorf("unit %d came back otherwise", want.ID)
		}
		for i, p := range got.Parts {
			if w := want.Parts[i]; p.Min.IsZero() != w.Min.IsZero() || p.Last() != w.Last() || p.Min.Type != w.Min.Type {
				t.Errorf("part %d came back as %+v, want %+v", i, p, w)
			}
		}
	}
	if _, err := Load(t.Context(), enginetest.Source(t), t.Name(), 7); err == nil || !strings.Contains(err.Error(), "unit 7") {
		t.Errorf("a unit that is not there: %v", err)
	}
}

// A unit that the server refuses must not get lost.
func TestStoreTellsOfRefusals(t *testing.T) {
	t.Parallel()
	run(t, t.Name(), bson.D{{Key: "create", Value: unitsCollection}, {Key: "validator", Value: bson.D{{Key: "never", Value: 1}}}})
	if err := Store(t.Context(), enginetest.Source(t), t.Name(), []Unit{{}}); err == nil {
		t.Error("the unit was not stored, and nobody was told")
	}
}

func raw(t *testing.T, v any) bson.Raw {
	t.Helper()
	b, err := bson.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func rawValue(t *testing.T, v any) bson.RawValue {
	t.Helper()
	value, err := raw(t, bson.D{{Key: "v", Value: v}}).LookupErr("v")
	if err != nil {
		t.Fatal(err)
	}
	return value
}
