package catalog

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// twice carries a change out, and again from the map as a new attempt reads it.
func twice(t *testing.T, dst *mongodb.Client, m *Map, change func(Changer) error) *Map {
	t.Helper()
	for range 2 {
		if err := change(Changer{Destination: dst, Map: m}); err != nil {
			t.Fatal(err)
		}
		m = NewMap(dst, m.metaDB)
		if err := m.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// TestChangesRunTwice: every change may run again, by the same UUID, and the
// second time changes nothing.
func TestChangesRunTwice(t *testing.T) {
	t.Parallel()
	src, dst, m := pair(t)
	ns := migration.Namespace{DB: t.Name(), Collection: "c"}
	insert(t, src, ns, bson.D{e("_id", 1)})
	c := read(t, src)["c"]
	m = twice(t, dst, m, func(ch Changer) error { return ch.Create(t.Context(), c) })
	insert(t, dst, ns, bson.D{e("_id", 1)})

	index(t, src, ns, "a", one("a"), e("unique", true))
	index(t, src, ns, "b", one("b"))
	var specs []bson.Raw
	for _, i := range read(t, src)["c"].secondary() {
		specs = append(specs, i.Spec)
	}
	now := func(ch Changer) Collection { known, _ := ch.Map.ByUUID(c.UUID); return known }
	m = twice(t, dst, m, func(ch Changer) error { return ch.CreateIndexes(t.Context(), now(ch), specs) })
	if known, _ := m.ByUUID(c.UUID); known.IndexesDuringSync() != 2 || len(read(t, dst)["c"].Indexes) != 3 {
		t.Errorf("indexes: map %v, destination %v", known.Indexes, read(t, dst)["c"].Indexes)
	}
	m = twice(t, dst, m, func(ch Changer) error { return ch.DropIndexes(t.Context(), now(ch), []string{"b"}) })
	if known, _ := m.ByUUID(c.UUID); known.IndexesDuringSync() != 1 || len(read(t, dst)["c"].Indexes) != 2 {
		t.Errorf("after the drop: map %v, destination %v", known.Indexes, read(t, dst)["c"].Indexes)
	}

	other := migration.Namespace{DB: t.Name(), Collection: "other"}
	target := Collection{UUID: UUID{9}, NS: other, Kind: KindCollection}
	m = twice(t, dst, m, func(ch Changer) error { return ch.Create(t.Context(), target) })
	m = twice(t, dst, m, func(ch Changer) error { return ch.Rename(t.Context(), now(ch), other, target.UUID) })
	if known, _ := m.ByUUID(c.UUID); known.NS != other || len(m.All()) != 1 || len(read(t, dst)) != 1 {
		t.Errorf("after the rename: map %v, destination %v", m.All(), read(t, dst))
	}

	renamed, _ := m.ByUUID(c.UUID)
	m = twice(t, dst, m, func(ch Changer) error { return ch.Drop(t.Context(), renamed) })
	if len(m.All()) != 0 || len(read(t, dst)) != 0 {
		t.Errorf("after the drop: map %v, destination %v", m.All(), read(t, dst))
	}
}

// TestDropOfAPredecessor: the drop of a collection whose name has gone to another
// leaves the other alone.
func TestDropOfAPredecessor(t *testing.T) {
	t.Parallel()
	_, dst, m := pair(t)
	ch := Changer{Destination: dst, Map: m}
	ns := migration.Namespace{DB: t.Name(), Collection: "c"}
	first := Collection{UUID: UUID{1}, Dest: UUID{7}, NS: ns, Kind: KindCollection}
	if err := m.Put(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if err := ch.Create(t.Context(), Collection{UUID: UUID{2}, NS: ns, Kind: KindCollection}); err != nil {
		t.Fatal(err)
	}
	if err := ch.Drop(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if _, ok := m.ByUUID(UUID{2}); !ok || len(read(t, dst)) != 1 || len(m.All()) != 1 {
		t.Errorf("map %v, destination %v", m.All(), read(t, dst))
	}
}

// TestCreateMeetsAStranger: a collection that this migration did not make is not
// taken for its own, and not harmed.
func TestCreateMeetsAStranger(t *testing.T) {
	t.Parallel()
	_, dst, m := pair(t)
	ns := migration.Namespace{DB: t.Name(), Collection: "c"}
	insert(t, dst, ns, bson.D{e("_id", "theirs")})
	ch := Changer{Destination: dst, Map: m}
	mine := Collection{UUID: UUID{1}, NS: ns, Kind: KindCollection}
	view := Collection{NS: ns, Kind: KindView, Options: marshal(t, bson.D{e("viewOn", "other"), e("pipeline", bson.A{})})}
	for _, c := range []Collection{mine, view} {
		if err := ch.Create(t.Context(), c); migration.KindOf(err) != migration.WriteRefused {
			t.Errorf("%s: %v", c.Kind, err)
		}
	}
	moved := migration.Namespace{DB: t.Name(), Collection: "moved"}
	if err := ch.Create(t.Context(), Collection{UUID: UUID{2}, NS: moved, Kind: KindCollection}); err != nil {
		t.Fatal(err)
	}
	known, _ := m.ByUUID(UUID{2})
	if err := ch.Rename(t.Context(), known, ns, UUID{}); migration.KindOf(err) != migration.WriteRefused {
		t.Errorf("rename: %v", err)
	}
	if err := ch.Rename(t.Context(), known, ns, UUID{3}); migration.KindOf(err) != migration.WriteRefused {
		t.Errorf("rename over what the source dropped: %v", err)
	}
	if n, err := exactCount(t.Context(), dst, mine); err != nil || n != 1 {
		t.Errorf("%d documents of the stranger's are left, %v", n, err)
	}
}

// TestMapRemembersTheLastChange: the token goes into the map together with what
// the change does to it, and what was removed stays removed.
func TestMapRemembersTheLastChange(t *testing.T) {
	t.Parallel()
	_, dst, m := pair(t)
	ns := migration.Namespace{DB: t.Name(), Collection: "c"}
	create := Changer{Destination: dst, Map: m, Token: "82B"}
	if err := create.Create(t.Context(), Collection{UUID: UUID{1}, NS: ns, Kind: KindCollection}); err != nil {
		t.Fatal(err)
	}
	known, _ := m.ByUUID(UUID{1})
	drop := Changer{Destination: dst, Map: m, Token: "82D"}
	if err := drop.Drop(t.Context(), known); err != nil {
		t.Fatal(err)
	}
	again := NewMap(dst, m.metaDB)
	for range 2 { // the second time, what was removed is swept out
		if err := again.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(again.All()) > 0 || !again.Holds("82C") || !again.Holds("82D") || again.Holds("82E") {
			t.Errorf("map %v, last %q", again.All(), again.last)
		}
	}
	docs, err := mongodb.All(t.Context(), dst, m.metaDB, bson.D{e("find", mapCollection)})
	if err != nil || len(docs) != 1 {
		t.Errorf("in the metadata database: %v, %v", docs, err)
	}
}

// TestRefusedWrite: a map entry that the server refuses is told of.
func TestRefusedWrite(t *testing.T) {
	t.Parallel()
	_, dst, m := pair(t)
	run(t, dst, m.metaDB, e("create", mapCollection), e("validator", one("never")))
	if err := m.Put(t.Context(), Collection{UUID: UUID{1}}); err == nil {
		t.Error("the entry was not written, and nobody was told")
	}
	if len(m.All()) > 0 {
		t.Error("the entry is in the map, but not in the database")
	}
}

// TestCompare finds each thing that is not the same.
func TestCompare(t *testing.T) {
	t.Parallel()
	src, dst, m := pair(t)
	db := t.Name()
	for _, side := range []*mongodb.Client{src, dst} {
		for _, name := range []string{"same", "count", "index", "options", "definition"} {
			insert(t, side, migration.Namespace{DB: db, Collection: name}, bson.D{e("_id", 1)})
		}
	}
	missing := migration.Namespace{DB: db, Collection: "missing"}
	insert(t, src, missing, bson.D{e("_id", 1)})
	insert(t, src, migration.Namespace{DB: db, Collection: "count"}, bson.D{e("_id", 2)})
	index(t, src, migration.Namespace{DB: db, Collection: "index"}, "gone", one("a"))
	index(t, dst, migration.Namespace{DB: db, Collection: "index"}, "extra", one("b"))
	index(t, src, migration.Namespace{DB: db, Collection: "definition"}, "x", one("a"))
	index(t, dst, migration.Namespace{DB: db, Collection: "definition"}, "x", bson.D{e("a", -1)})
	for _, name := range []string{"theirs", "surplus"} {
		insert(t, dst, migration.Namespace{DB: db, Collection: name}, bson.D{e("_id", 1)})
	}
	index(t, src, migration.Namespace{DB: db, Collection: "same"}, "refused", one("a"))
	same := Collection{UUID: UUID{1}, NS: migration.Namespace{DB: db, Collection: "same"}, Indexes: []Index{{Name: "refused", Spec: marshal(t, bson.D{}), Failed: true}}}
	if err := m.Put(t.Context(), same, Collection{UUID: UUID{2}, NS: migration.Namespace{DB: db, Collection: "surplus"}}); err != nil {
		t.Fatal(err)
	}
	run(t, src, db, e("collMod", "options"), e("validator", one("a")))
	diffs, err := Compare(t.Context(), src, dst, only(t, db), m)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, d := range diffs {
		got[d.Namespace[len(db)+1:]+" "+d.What] = true
	}
	for _, want := range []string{"missing collection", "count documents", "index index gone", "index index extra", "definition index x", "options options", "surplus collection"} {
		if !got[want] {
			t.Errorf("%s was not found", want)
		}
	}
	if len(diffs) != 7 {
		t.Errorf("found %v", diffs)
	}
}

// TestAdoptAfterItsEnd: a run that was killed as it had made a collection leaves it
// without a word in the map. When the source has dropped its own meanwhile, nothing
// stays; one with documents is somebody else's.
func TestAdoptAfterItsEnd(t *testing.T) {
	t.Parallel()
	src, dst, m := pair(t)
	ch := Changer{Destination: dst, Map: m}
	for name, left := range map[string]bool{"empty": false, "theirs": true, "known": true, "none": false} {
		ns := migration.Namespace{DB: t.Name(), Collection: name}
		gone := Collection{UUID: UUID{4}, NS: ns, Kind: KindCollection, Options: marshal(t, bson.D{e("capped", true), e("size", 4096)})}
		switch name {
		case "theirs":
			insert(t, dst, ns, bson.D{e("_id", 1)})
		case "known":
			if err := ch.Create(t.Context(), Collection{UUID: UUID{5}, NS: ns, Kind: KindCollection}); err != nil {
				t.Fatal(err)
			}
		case "empty":
			if _, err := Create(t.Context(), dst, gone); err != nil {
				t.Fatal(err)
			}
		}
		if err := ch.Adopt(t.Context(), src, gone, UUID{}, nil); err != nil {
			t.Fatal(err)
		}
		if have, err := Find(t.Context(), dst, ns); err != nil || (have != nil) != left {
			t.Errorf("%s: left %v, %v", name, have, err)
		}
	}
}
