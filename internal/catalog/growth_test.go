package catalog

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
)

// synthetic is a collection as it stands in the map after its creation, with two
// secondary indexes.
func synthetic(t testing.TB, n int) Collection {
	t.Helper()
	doc := func(v any) bson.Raw {
		raw, err := bson.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	id := [16]byte{byte(n), byte(n >> 8), byte(n >> 16), 15: 1}
	c := Collection{
		UUID: id, Dest: id, Kind: KindCollection, Options: doc(bson.D{}),
		NS: migration.Namespace{DB: fmt.Sprintf("tenant%03d", n%500), Collection: fmt.Sprintf("orders_of_customer_%06d", n)},
	}
	for _, key := range []string{"_id", "customer", "createdAt"} {
		c.Indexes = append(c.Indexes, Index{Name: key + "_1", Spec: doc(bson.D{
			{Key: "v", Value: int32(2)}, {Key: "key", Value: bson.D{{Key: key, Value: int32(1)}}}, {Key: "name", Value: key + "_1"}})})
	}
	return c
}

// TestLoadSome: of a large map, an attempt reads the entries that it needs. With
// MONGOFERRY_COLLECTIONS it measures; docs/performance.md has what came of it.
func TestLoadSome(t *testing.T) {
	t.Parallel()
	n := 3000
	if text := os.Getenv("MONGOFERRY_COLLECTIONS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	_, _, m := pair(t)
	cols := make([]Collection, n)
	for i := range cols {
		cols[i] = synthetic(t, i)
	}
	began := time.Now()
	if err := m.Put(t.Context(), cols...); err != nil {
		t.Fatal(err)
	}
	t.Logf("put %d: %s", n, time.Since(began))
	want := []UUID{cols[1].UUID, cols[n-1].UUID, {15: 2}}
	for i := range 2000 {
		want = append(want, cols[i+2].UUID)
	}
	if err := m.Remove(t.Context(), cols[1]); err != nil {
		t.Fatal(err)
	}
	some := NewMap(m.dst, m.metaDB)
	began = time.Now()
	if err := some.LoadSome(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	t.Logf("load %d of them: %s", len(want), time.Since(began))
	if got := len(some.All()); got != 2001 {
		t.Errorf("%d entries, want 2,001: one is gone and one never was", got)
	}
	c, ok := some.ByUUID(cols[n-1].UUID)
	if !ok || c.NS != cols[n-1].NS || c.Dest != cols[n-1].Dest || len(c.Indexes) != 3 {
		t.Errorf("came back as %+v", c)
	}
	began = time.Now()
	if err := some.LoadSome(t.Context(), want[2:202]); err != nil || len(some.All()) != 199 {
		t.Errorf("%d entries in place of those before, want 199: %v", len(some.All()), err)
	}
	t.Logf("load 200: %s", time.Since(began))
	before := heap()
	whole := NewMap(m.dst, m.metaDB)
	began = time.Now()
	if err := whole.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("load all: %s, %.1f MB", time.Since(began), float64(heap()-before)/(1<<20))
	runtime.KeepAlive(cols)
	if got := len(whole.All()); got != n-1 {
		t.Errorf("the whole map has %d entries, want %d", got, n-1)
	}
}

func heap() int64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}
