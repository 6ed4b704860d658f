package catalog

import (
	"context"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// twins makes a collection with a unique index beside a plain one on both sides,
// in the form for the sync, with as many documents, of which dup have an equal key.
func twins(t *testing.T, documents, dup int) (dst *mongodb.Client, m *Map, ns migration.Namespace) {
	t.Helper()
	src, dst, m := pair(t)
	ns = migration.Namespace{DB: t.Name(), Collection: "c"}
	index(t, src, ns, "p", one("x"))
	index(t, src, ns, "u", one("x"), e("unique", true))
	build(t, Changer{Destination: dst, Map: m}, read(t, src)["c"], "copied")
	const batch = 50_000
	for from := 0; from < documents; from += batch {
		var docs []bson.D
		for n := from; n < min(from+batch, documents); n++ {
			docs = append(docs, bson.D{e("_id", n), e("x", max(n, dup))})
		}
		insert(t, dst, ns, docs...)
	}
	return dst, m, ns
}

// takes tries a document whose key is there already.
func takes(t *testing.T, dst *mongodb.Client, ns migration.Namespace) bool {
	t.Helper()
	reply, err := dst.Run(t.Context(), ns.DB, bson.D{e("insert", ns.Collection), e("documents", bson.A{bson.D{e("_id", "new"), e("x", 9)}})})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reply.LookupErr("writeErrors"); err == nil {
		return false
	}
	run(t, dst, ns.DB, e("delete", ns.Collection), e("deletes", bson.A{bson.D{e("q", bson.D{e("_id", "new")}), e("limit", 1)}}))
	return true
}

// TestSmallTwin: the unique twin of a small collection is built at the fence.
func TestSmallTwin(t *testing.T) {
	t.Parallel()
	fencedTwin(t, SmallDocuments, true)
}

// TestLargeTwin: in a large collection, the plain twin refuses equal keys until the
// unique one can be built.
func TestLargeTwin(t *testing.T) {
	t.Parallel()
	fencedTwin(t, SmallDocuments+1, false)
}

// fencedTwin constrains, goes back, and goes through to the end.
func fencedTwin(t *testing.T, documents int, built bool) {
	t.Helper()
	dst, m, ns := twins(t, documents, 0)
	for range 2 {
		if err := Constrain(t.Context(), dst, m); err != nil {
			t.Fatal(err)
		}
		there := read(t, dst)["c"]
		if _, err := there.index("u"); (err == nil) != built || takes(t, dst, ns) {
			t.Errorf("constrained, the unique index is built: %t; equal keys are taken: %t", err == nil, takes(t, dst, ns))
		}
		if err := Relax(t.Context(), dst, m); err != nil {
			t.Fatal(err)
		}
		there = read(t, dst)["c"]
		if _, err := there.index("u"); err == nil || !takes(t, dst, ns) {
			t.Errorf("relaxed, the unique index is there: %t; equal keys are taken: %t", err == nil, takes(t, dst, ns))
		}
	}
	if err := Constrain(t.Context(), dst, m); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if failed, err := Restore(t.Context(), dst, m, func() {}); err != nil || len(failed) > 0 {
			t.Fatalf("restore: %v, %v", failed, err)
		}
	}
	there := read(t, dst)["c"]
	unique, err := there.index("u")
	if plain, _ := there.index("p"); err != nil || !unique.Unique() || plain.preparesUnique() {
		t.Errorf("in the end: %v", there.Indexes)
	}
}

// TestViolationOfATwin: equal keys that stand against a unique index are found by
// its plain twin, keep it from being built, and go on being refused.
func TestViolationOfATwin(t *testing.T) {
	t.Parallel()
	dst, m, ns := twins(t, 20, 9)
	found, err := UniqueViolations(t.Context(), dst, m, all, always)
	if err != nil || len(found) != 1 || found[0].IndexName != "u" || len(found[0].Groups) != 1 ||
		!strings.HasSuffix(found[0].Reason, "and 7 more") {
		t.Fatalf("found %+v, %v", found, err)
	}
	if err := Constrain(t.Context(), dst, m); mongodb.Code(err) != mongodb.CodeDuplicateKey {
		t.Errorf("a unique index over equal keys: %v", err)
	}
	if !takes(t, dst, ns) {
		t.Error("the look has left its mark")
	}
	if err := prepareUnique(t.Context(), dst, m.All()[0], "p", true); err != nil { // as for a large one
		t.Fatal(err)
	}
	if failed, err := Restore(t.Context(), dst, m, func() {}); err != nil || len(failed) != 1 || failed[0].IndexName != "u" {
		t.Errorf("restore: %v, %v", failed, err)
	}
	if takes(t, dst, ns) {
		t.Error("more equal keys get in")
	}
	run(t, dst, ns.DB, e("delete", "c"), e("deletes", bson.A{bson.D{e("q", bson.D{e("_id", bson.D{e("$lt", 9)})}), e("limit", 0)}}))
	if failed, err := Restore(t.Context(), dst, m, func() {}); err != nil || len(failed) > 0 {
		t.Errorf("restore after the documents are gone: %v, %v", failed, err)
	}
	there := read(t, dst)["c"]
	if i, err := there.index("p"); err != nil || i.preparesUnique() {
		t.Errorf("in the end: %v, %v", i, err)
	}
}

// TestLookIsForbidden: an attempt that is over changes nothing.
func TestLookIsForbidden(t *testing.T) {
	t.Parallel()
	dst, m, ns := twins(t, 20, 0)
	over := migration.NewFault(migration.Superseded, "over")
	for _, may := range []error{nil, over} {
		_, err := UniqueViolations(t.Context(), dst, m, all, func(context.Context) error { return may })
		if migration.KindOf(err) != migration.KindOf(may) || !takes(t, dst, ns) {
			t.Errorf("%v: equal keys are taken: %t", err, takes(t, dst, ns))
		}
	}
}

// TestInterruptedLook: a look whose time is up takes prepareUnique back.
func TestInterruptedLook(t *testing.T) {
	t.Parallel()
	dst, m, ns := twins(t, 20, 0)
	ctx, cancel := context.WithCancel(t.Context())
	s := stands(m)[0]
	if _, err := s.tryUnique(ctx, dst, func(context.Context) error { return prepareUnique(t.Context(), dst, s.Collection, s.name, true) }); err != nil {
		t.Fatal(err)
	}
	if !takes(t, dst, ns) {
		t.Error("the look has left its mark")
	}
	_, err := s.tryUnique(ctx, dst, func(context.Context) error {
		cancel()
		return prepareUnique(t.Context(), dst, s.Collection, s.name, true)
	})
	if err == nil || !takes(t, dst, ns) {
		t.Errorf("ended with %v; equal keys are taken: %t", err, takes(t, dst, ns))
	}
}

// TestRefusedBuilds: an index that the destination refuses, whether after the copy
// or told of later, stands in nobody's way and is listed, with the reason, until
// the source drops it or it can be built.
func TestRefusedBuilds(t *testing.T) {
	t.Parallel()
	src, dst, m := pair(t)
	ns := migration.Namespace{DB: t.Name(), Collection: "c"}
	index(t, src, ns, "geo", bson.D{e("g", "2dsphere")})
	index(t, src, ns, "fine", one("a"))
	c := read(t, src)["c"]
	ch := Changer{Destination: dst, Map: m}
	if err := ch.Create(t.Context(), Collection{UUID: c.UUID, NS: ns, Kind: KindCollection}); err != nil {
		t.Fatal(err)
	}
	insert(t, dst, ns, bson.D{e("_id", 1), e("g", "nowhere")})
	known, _ := m.ByUUID(c.UUID)
	var specs []bson.Raw
	for _, i := range c.secondary() {
		specs = append(specs, i.Spec)
	}
	if err := ch.CreateIndexes(t.Context(), known, specs); err != nil {
		t.Fatal(err)
	}
	again := NewMap(dst, m.metaDB) // as another worker would see it
	if err := again.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused := again.Refused()
	if len(refused) != 1 || refused[0].IndexName != "geo" || refused[0].Type != "failed" || refused[0].Reason == "" || refused[0].Keys["g"] != "2dsphere" {
		t.Errorf("refused: %+v", refused)
	}
	if have := read(t, dst)["c"]; have.IndexesDuringSync() != 1 {
		t.Errorf("built: %v", have.Indexes)
	}
	run(t, dst, ns.DB, e("delete", "c"), e("deletes", bson.A{bson.D{e("q", bson.D{}), e("limit", 0)}}))
	known, _ = m.ByUUID(c.UUID)
	if err := ch.CreateIndexes(t.Context(), known, specs[:1]); err != nil || len(m.Refused()) > 0 {
		t.Errorf("when it can be built: %v, %v", m.Refused(), err)
	}
}
