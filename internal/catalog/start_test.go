package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// TestReadConsistent reads the catalog while it keeps changing: what it gives is
// that of one moment. Each pair of collections is made and dropped first first,
// so that the second never stands alone in the catalog of a moment.
func TestReadConsistent(t *testing.T) {
	t.Parallel()
	src, _, _ := pair(t)
	db := t.Name()
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			name := fmt.Sprint("c", i)
			for _, command := range []bson.D{
				{e("create", name)}, {e("createIndexes", name), e("indexes", bson.A{bson.D{e("key", one("a")), e("name", "a")}})},
				{e("create", name+"b")}, {e("drop", name+"b")}, {e("drop", name)},
			} {
				if _, err := src.Run(ctx, db, command); err != nil && ctx.Err() == nil && mongodb.Code(err) != mongodb.CodeNamespaceNotFound {
					t.Errorf("%v: %v", command, err)
				}
			}
		}
	})
	defer wg.Wait()
	defer stop()
	for range 3 {
		start, err := ReadConsistent(t.Context(), src, only(t, db))
		if err != nil {
			t.Fatal(err)
		}
		if len(start.ResumeToken) == 0 || start.OpTime.T == 0 {
			t.Errorf("no start point: %+v", start)
		}
		var names []string
		for _, c := range start.Collections {
			names = append(names, c.NS.Collection)
		}
		for _, name := range names {
			if last := len(name) - 1; name[last] == 'b' && !slices.Contains(names, name[:last]) {
				t.Errorf("not the catalog of one moment: %v", names)
			}
		}
	}
}

// TestLargeChangesBesideTheCatalog: a change that is too large for an event with its
// document does not matter to who looks for changes of the catalog.
func TestLargeChangesBesideTheCatalog(t *testing.T) {
	t.Parallel()
	src, _, _ := pair(t)
	start, err := ReadConsistent(t.Context(), src, only(t, t.Name()))
	if err != nil {
		t.Fatal(err)
	}
	id := strings.Repeat("k", 3<<20)
	insert(t, src, migration.Namespace{DB: t.Name(), Collection: "c"}, bson.D{e("_id", id), e("pad", strings.Repeat("x", 10<<20))})
	stream, err := open(t.Context(), src, start.ResumeToken)
	if err != nil {
		t.Fatal(err)
	}
	seen, err := readToNow(t.Context(), src, stream, only(t, t.Name()))
	if err != nil || !slices.Equal(seen.dirty, []string{t.Name()}) {
		t.Errorf("changed databases %q, %v", seen.dirty, err)
	}
}

// TestReadConsistentWaitsForClones: a conversion to capped fills a collection
// without events. One that was copied in the middle of it would lack the rest.
func TestReadConsistentWaitsForClones(t *testing.T) {
	t.Parallel()
	src, _, _ := pair(t)
	ns := migration.Namespace{DB: t.Name(), Collection: "c"}
	docs := make([]bson.D, 50_000)
	for i := range docs {
		docs[i] = bson.D{e("_id", i)}
	}
	insert(t, src, ns, docs...)
	converted := make(chan error)
	go func() {
		_, err := src.Run(t.Context(), ns.DB, bson.D{e("convertToCapped", ns.Collection), e("size", 64<<20)})
		converted <- err
	}()
	for len(half(t, src, ns.DB)) == 0 {
		select {
		case err := <-converted:
			t.Fatalf("the conversion was never seen under way, it ended with %v", err)
		default:
		}
	}
	start, err := ReadConsistent(t.Context(), src, only(t, ns.DB))
	if err != nil {
		t.Fatal(err)
	}
	if len(start.Collections) != 1 || !start.Collections[0].Capped() {
		t.Errorf("the catalog shows the middle of a conversion: %+v", start.Collections)
	}
	if err := <-converted; err != nil {
		t.Error(err)
	}
}

// half are the collections that a conversion is filling.
func half(t *testing.T, src *mongodb.Client, db string) []bson.Raw {
	t.Helper()
	docs, err := mongodb.All(t.Context(), src, db, bson.D{e("listCollections", 1), e("nameOnly", true),
		e("filter", bson.D{e("name", bson.D{e("$regex", "convertToCapped")})})})
	if err != nil {
		t.Fatal(err)
	}
	return docs
}
