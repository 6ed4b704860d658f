package partition

import (
	"reflect"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/catalog"
	"mongoferry/internal/enginetest"
)

// TestBundles: a large collection's builds are a bundle of their own, also when it is
// copied in several parts; what has no secondary index is in none.
func TestBundles(t *testing.T) {
	t.Parallel()
	var cols []catalog.Collection
	unit := Unit{}
	add := func(n byte, bytes int64, indexes int) {
		c := catalog.Collection{UUID: catalog.UUID{n}, Indexes: []catalog.Index{{Name: "_id_"}}}
		for range indexes {
			c.Indexes = append(c.Indexes, catalog.Index{Name: "x"})
		}
		cols = append(cols, c)
		for range 2 {
			unit.Parts = append(unit.Parts, Part{UUID: c.UUID[:], Bytes: bytes / 2})
		}
	}
	add(1, 1000, 1)
	add(2, 100<<20, 1)
	add(3, 50<<20, 0)
	add(4, 70<<20, 2)
	for n := byte(5); n < 5+indexBundle; n++ {
		add(n, 10, 1)
	}
	var got []int
	bundles := Bundles(cols, []Unit{unit})
	for i, b := range bundles {
		if b.ID != i {
			t.Errorf("bundle %d has the id %d", i, b.ID)
		}
		got = append(got, len(b.UUIDs))
	}
	if want := []int{1, 1, indexBundle, 1}; !reflect.DeepEqual(got, want) {
		t.Fatalf("bundles of %v collections, want %v", got, want)
	}
	if bundles[0].Collections()[0] != (catalog.UUID{2}) || bundles[1].Collections()[0] != (catalog.UUID{4}) {
		t.Error("the large ones are not first")
	}
	if n := len(unit.Collections()); n != len(cols) {
		t.Errorf("a unit of %d collections in two parts each names %d", len(cols), n)
	}
	if got := Bundles(nil, nil); got != nil {
		t.Errorf("bundles of nothing: %v", got)
	}
}

// TestStoreManyAtOnce stores more than one command takes, and reads some of it.
func TestStoreManyAtOnce(t *testing.T) {
	t.Parallel()
	bundles := make([]Bundle, storeStatements+5)
	for i := range bundles {
		bundles[i] = Bundle{ID: i, UUIDs: [][]byte{{byte(i), 15: 1}}}
	}
	dst := enginetest.Source(t)
	if err := StoreBundles(t.Context(), dst, t.Name(), bundles); err != nil {
		t.Fatal(err)
	}
	reply := enginetest.Run(t, dst, t.Name(), bson.D{{Key: "count", Value: bundlesCollection}})
	if n, _ := reply.Lookup("n").AsInt64OK(); n != int64(len(bundles)) {
		t.Errorf("%d of %d bundles are there", n, len(bundles))
	}
	for _, want := range []Bundle{bundles[0], bundles[storeStatements-1], bundles[len(bundles)-1]} {
		got, err := LoadBundle(t.Context(), dst, t.Name(), want.ID)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("bundle %d came back as %+v, %v", want.ID, got, err)
		}
	}
}
