package partition

import (
	"reflect"
	"slices"
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

// TestStage: large collections are staged, and published in a bundle also when they have
// no index to build.
func TestStage(t *testing.T) {
	t.Parallel()
	of := func(n byte, kind catalog.Kind, bytes int64) (catalog.Collection, []Part) {
		c := catalog.Collection{UUID: catalog.UUID{n}, Kind: kind}
		part := Whole(c)
		part.Bytes = bytes / 2
		return c, []Part{part, part}
	}
	large, parts := of(1, catalog.KindCollection, stageBytes+2)
	series, more := of(2, catalog.KindTimeseries, stageBytes+2)
	small, few := of(3, catalog.KindCollection, stageBytes)
	units := []Unit{{Parts: slices.Concat(parts, more, few)}}
	cols := []catalog.Collection{large, series, small}
	staged := Stage(cols, units)
	if !staged[0].Staged || staged[1].Staged || staged[2].Staged || cols[0].Staged {
		t.Errorf("staged: %v of %v", staged, cols)
	}
	if got := Bundles(staged, units); len(got) != 1 || len(got[0].UUIDs) != 1 || got[0].Collections()[0] != large.UUID {
		t.Errorf("bundles: %v", got)
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
