package catalog

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/enginetest"
	"mongoferry/internal/migration"
)

// TestCreateAll: collections of two databases with views among them, one command for
// each, and two listings for each kind in a database; run again, what is there and
// empty is kept.
func TestCreateAll(t *testing.T) {
	t.Parallel()
	const plain = 30
	_, dst, _ := pair(t)
	var cols []Collection
	for n, db := range []string{t.Name(), t.Name() + "_2"} {
		add := func(kind Kind, name string, uuid byte, options bson.D) {
			c := Collection{NS: migration.Namespace{DB: db, Collection: name}, Kind: kind, Options: marshal(t, options)}
			if kind != KindView {
				c.UUID = UUID{byte(n) + 1, uuid}
			}
			cols = append(cols, c)
		}
		add(KindView, "a view", 0, bson.D{{Key: "viewOn", Value: "series"}, {Key: "pipeline", Value: bson.A{}}})
		add(KindTimeseries, "series", 1, bson.D{{Key: "timeseries", Value: bson.D{{Key: "timeField", Value: "t"}}}})
		for i := range plain {
			add(KindCollection, fmt.Sprintf("c%d", i), byte(2+i), bson.D{})
		}
	}
	gate := &enginetest.CountingGate{}
	if err := CreateAll(t.Context(), dst.WithGate(gate), cols); err != nil {
		t.Fatal(err)
	}
	// Of each database: collections and two listings, the series with two and the drop of
	// its index, the view with one.
	if have, want := gate.Commands(), int64(2*(plain+2+4+2)); have != want {
		t.Errorf("%d commands, want %d", have, want)
	}
	first := map[migration.Namespace]UUID{}
	for _, c := range cols {
		have, err := Find(t.Context(), dst, c.NS)
		if err != nil || have == nil {
			t.Fatalf("%s: %v, %v", c.NS, have, err)
		}
		if have.Kind != c.Kind || have.UUID != c.Dest || c.Dest.IsZero() != (c.Kind == KindView) {
			t.Errorf("%s is a %s with UUID %s, but said to be a %s with %s", c.NS, have.Kind, have.UUID, c.Kind, c.Dest)
		}
		first[c.NS] = c.Dest
	}
	again := slices.DeleteFunc(slices.Clone(cols), func(c Collection) bool { return c.Kind == KindView })
	for i := range again {
		again[i].Dest = UUID{}
	}
	if err := CreateAll(t.Context(), dst, again); err != nil {
		t.Fatal(err)
	}
	for _, c := range again {
		if c.Dest != first[c.NS] {
			t.Errorf("%s has UUID %s the second time, %s the first", c.NS, c.Dest, first[c.NS])
		}
	}
}

// TestCreateAllAmongStrangers: a collection with documents that has the name is named.
func TestCreateAllAmongStrangers(t *testing.T) {
	t.Parallel()
	_, dst, _ := pair(t)
	ns := migration.Namespace{DB: t.Name(), Collection: "strange"}
	insert(t, dst, ns, bson.D{{Key: "_id", Value: 1}})
	cols := []Collection{{UUID: UUID{1}, NS: ns, Kind: KindCollection, Options: marshal(t, bson.D{})}}
	err := CreateAll(t.Context(), dst, cols)
	if migration.KindOf(err) != migration.WriteRefused || !strings.Contains(err.Error(), ns.String()) {
		t.Errorf("got %v", err)
	}
}
