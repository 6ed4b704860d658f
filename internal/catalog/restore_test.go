package catalog

import (
	"context"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

func one(name string) bson.D { return bson.D{{Key: name, Value: 1}} }

func e(key string, value any) bson.E { return bson.E{Key: key, Value: value} }

// populate makes a collection of every kind that is migrated.
func populate(t *testing.T, src *mongodb.Client) {
	t.Helper()
	db := t.Name()
	create := func(name string, options ...bson.E) {
		t.Helper()
		run(t, src, db, append(bson.D{e("create", name)}, options...)...)
	}
	create("capped", e("capped", true), e("size", 8192), e("max", 7))
	create("clustered", e("clusteredIndex", bson.D{e("key", one("_id")), e("unique", true), e("name", "own name")}), e("expireAfterSeconds", 3600))
	create("collated", e("collation", bson.D{e("locale", "de"), e("strength", 2)}))
	create("valid", e("validator", bson.D{e("n", bson.D{e("$gte", 0)})}), e("validationLevel", "moderate"), e("validationAction", "warn"))
	create("images", e("changeStreamPreAndPostImages", bson.D{e("enabled", true)}))
	create("view", e("viewOn", "plain"), e("pipeline", bson.A{bson.D{e("$match", one("a"))}}), e("collation", bson.D{e("locale", "fr")}))
	plain := migration.Namespace{DB: db, Collection: "plain"}
	insert(t, src, plain, bson.D{e("_id", 1), e("a", 1), e("text", "some words"), e("at", bson.A{1, 2})})
	index(t, src, plain, "unique", one("a"), e("unique", true))
	index(t, src, plain, "ttl", one("when"), e("expireAfterSeconds", 7))
	index(t, src, plain, "both", one("once"), e("unique", true), e("expireAfterSeconds", 9.0))
	index(t, src, plain, "partial", bson.D{e("a", 1), e("b", -1)}, e("partialFilterExpression", bson.D{e("a", bson.D{e("$gt", 3)})}))
	index(t, src, plain, "text", bson.D{e("text", "text"), e("more", "text")}, e("weights", bson.D{e("text", 5)}), e("default_language", "german"))
	index(t, src, plain, "2d", bson.D{e("at", "2d")}, e("bits", 20), e("min", -500.0), e("max", 500.0))
	index(t, src, plain, "sphere", bson.D{e("place", "2dsphere")})
	index(t, src, plain, "wild", bson.D{e("$**", 1)}, e("wildcardProjection", one("w")))
	index(t, src, plain, "hidden", one("h"), e("hidden", true))
	index(t, src, plain, "hashed", bson.D{e("k", "hashed")})
	index(t, src, plain, "sparse", one("s"), e("sparse", true), e("unique", true))
	index(t, src, plain, "twin", one("x"))
	index(t, src, plain, "unique twin", one("x"), e("unique", true), e("collation", bson.D{e("locale", "en")}))
	index(t, src, plain, "unique other", one("x"), e("unique", true), e("partialFilterExpression", one("p")))
}

// TestRestore: in the form for the sync nothing expires, nothing is unique and
// nothing is limited; Restore makes it what the source is, however often it runs.
func TestRestore(t *testing.T) {
	t.Parallel()
	src, dst, m := pair(t)
	populate(t, src)
	changer := Changer{Destination: dst, Map: m}
	for _, c := range read(t, src) {
		indexes := c.Indexes
		if err := changer.Create(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		known, _ := m.ByUUID(c.UUID)
		if failed, err := BuildIndexes(t.Context(), dst, known); err != nil || len(failed) > 0 {
			t.Fatalf("%s: %v, %v", c.NS, failed, err)
		}
		c.Indexes = indexes
	}
	for name, c := range read(t, dst) {
		for _, i := range c.Indexes {
			expiry, _ := i.Spec.Lookup("expireAfterSeconds").AsInt64OK()
			if i.Unique() || i.TTL() && expiry != int64(neverExpires) {
				t.Errorf("%s: %s while the sync runs", name, i.Spec)
			}
		}
		if _, err := c.Options.LookupErr("expireAfterSeconds"); err == nil || c.Capped() && c.Options.Lookup("size").AsInt64() != unlimited {
			t.Errorf("%s: %s while the sync runs", name, c.Options)
		}
	}
	if diffs, err := Compare(t.Context(), src, dst, only(t, t.Name()), m); err != nil || len(diffs) != 1 || diffs[0].What != "documents" {
		t.Errorf("before the restore both differ but for the document that was not copied: %v, %v", diffs, err)
	}
	for range 2 {
		again := NewMap(dst, m.metaDB) // as another worker would see it
		if err := again.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if failed, err := Restore(t.Context(), dst, again, func() {}); err != nil || len(failed) > 0 {
			t.Fatalf("restore: %v, %v", failed, err)
		}
		sameCatalog(t, read(t, src), read(t, dst))
	}
}

// all picks every index.
func all(migration.Namespace, string) bool { return true }

// always lets everything be changed.
func always(context.Context) error { return nil }

func sameCatalog(t *testing.T, want, have map[string]Collection) {
	t.Helper()
	if len(want) != len(have) {
		t.Errorf("%d namespaces, want %d", len(have), len(want))
	}
	for name, w := range want {
		h := have[name]
		if h.Kind != w.Kind || !sameFields(w.Options, h.Options) {
			t.Errorf("%s: %s, want %s", name, h.Options, w.Options)
		}
		if len(h.Indexes) != len(w.Indexes) {
			t.Errorf("%s: %d indexes, want %d", name, len(h.Indexes), len(w.Indexes))
		}
		for _, i := range w.Indexes {
			if got, err := h.index(i.Name); err != nil || !sameFields(i.Spec, got.Spec) {
				t.Errorf("%s: index %s: %v, %v", name, i.Spec, got, err)
			}
		}
	}
}

// TestUniqueViolations finds what stands against a unique index without leaving a
// trace, and Restore reports it and goes on.
func TestUniqueViolations(t *testing.T) {
	t.Parallel()
	src, dst, m := pair(t)
	ns := migration.Namespace{DB: t.Name(), Collection: "c"}
	insert(t, src, ns, bson.D{e("_id", 1), e("a", 1)})
	index(t, src, ns, "a", one("a"), e("unique", true))
	index(t, src, ns, "b", one("when"), e("expireAfterSeconds", 5))
	c := read(t, src)["c"]
	changer := Changer{Destination: dst, Map: m}
	if err := changer.Create(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	c, _ = m.ByUUID(c.UUID)
	if _, err := BuildIndexes(t.Context(), dst, c); err != nil {
		t.Fatal(err)
	}
	insert(t, dst, ns, bson.D{e("_id", 1), e("a", 1)}, bson.D{e("_id", 2), e("a", 1)})
	found, err := UniqueViolations(t.Context(), dst, m, all, always)
	if err != nil || len(found) != 1 || found[0].IndexName != "a" || found[0].Namespace != ns.String() || !strings.Contains(found[0].Reason, `_id {"$numberInt":"1"}, {"$numberInt":"2"}`) {
		t.Fatalf("found %v, %v", found, err)
	}
	insert(t, dst, ns, bson.D{e("_id", 3), e("a", 1)}) // it must still take equal keys
	if again, err := UniqueViolations(t.Context(), dst, m, func(_ migration.Namespace, name string) bool { return name == "a" }, always); err != nil || len(again) != 1 {
		t.Errorf("looked for again: %v, %v", again, err)
	}
	failed, err := Restore(t.Context(), dst, m, func() {})
	if err != nil || len(failed) != 1 || failed[0].IndexName != "a" || failed[0].Reason == "" {
		t.Errorf("restore: %v, %v", failed, err)
	}
	run(t, dst, ns.DB, e("delete", ns.Collection), e("deletes", bson.A{bson.D{e("q", bson.D{e("_id", bson.D{e("$gt", 1)})}), e("limit", 0)}}))
	if failed, err = Restore(t.Context(), dst, m, func() {}); err != nil || len(failed) > 0 {
		t.Errorf("restore after the documents are gone: %v, %v", failed, err)
	}
}

// TestRelaxWithAStaleMap: an attempt that died in the middle of a rename
// leaves the old name in the map; that must not stop a cutover from being undone.
func TestRelaxWithAStaleMap(t *testing.T) {
	t.Parallel()
	src, dst, m := pair(t)
	ns := migration.Namespace{DB: t.Name(), Collection: "c"}
	index(t, src, ns, "a", one("a"), e("unique", true))
	index(t, src, ns, "gone", one("b"), e("unique", true))
	changer := Changer{Destination: dst, Map: m}
	c := read(t, src)["c"]
	if err := changer.Create(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	c, _ = m.ByUUID(c.UUID)
	if _, err := BuildIndexes(t.Context(), dst, c); err != nil {
		t.Fatal(err)
	}
	run(t, dst, ns.DB, e("dropIndexes", ns.Collection), e("index", "gone"))
	if err := Constrain(t.Context(), dst, m); err != nil {
		t.Errorf("with an index that is gone: %v", err)
	}
	run(t, dst, "admin", e("renameCollection", ns.String()), e("to", ns.DB+".other"))
	if err := Relax(t.Context(), dst, m); err != nil {
		t.Errorf("with a collection under another name: %v", err)
	}
}

// TestRestoreInUse: the destination's users may drop and rename what is theirs.
func TestRestoreInUse(t *testing.T) {
	t.Parallel()
	src, dst, m := pair(t)
	for _, name := range []string{"dropped", "renamed", "kept"} {
		ns := migration.Namespace{DB: t.Name(), Collection: name}
		index(t, src, ns, "a", one("a"), e("unique", true))
	}
	changer := Changer{Destination: dst, Map: m}
	for _, c := range read(t, src) {
		if err := changer.Create(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		c, _ = m.ByUUID(c.UUID)
		if _, err := BuildIndexes(t.Context(), dst, c); err != nil {
			t.Fatal(err)
		}
	}
	run(t, dst, t.Name(), e("drop", "dropped"))
	run(t, dst, "admin", e("renameCollection", t.Name()+".renamed"), e("to", t.Name()+".other"))
	gone, err := m.Reconcile(t.Context())
	if err != nil || len(gone) != 1 || gone[0].NS.Collection != "dropped" {
		t.Errorf("gone are %v, %v", gone, err)
	}
	if failed, err := Restore(t.Context(), dst, m, func() {}); err != nil || len(failed) > 0 {
		t.Errorf("restore: %v, %v", failed, err)
	}
	for _, name := range []string{"other", "kept"} {
		c := read(t, dst)[name]
		if i, err := c.index("a"); err != nil || !i.Unique() {
			t.Errorf("%s: %v, %v", name, i, err)
		}
	}
}
