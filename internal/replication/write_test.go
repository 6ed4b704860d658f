package replication

import (
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/zap"

	"mongoferry/internal/catalog"
	"mongoferry/internal/enginetest"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// writing is a writer to the one collection of a rehearsal, which is at its start.
func writing(t *testing.T, r *rehearsal) (*writer, catalog.Collection) {
	t.Helper()
	r.reset()
	a, err := r.applier(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	to, ok := a.Map.ByUUID(r.start.Collections[0].UUID)
	if !ok {
		t.Fatal("the collection is not in the map")
	}
	return &writer{slot: a.slots[0]}, to
}

func changed(t *testing.T, id int32, fields ...any) *change {
	t.Helper()
	ch := &change{id: value(t, id)}
	if !ch.delta.add(updated(t, fields...)) {
		t.Fatal("an update cannot follow nothing")
	}
	return ch
}

// TestBehindRefused: the server stops at the first statement that it refuses where they
// build on each other; what comes behind it is written all the same, and the refused
// document alone is asked for.
func TestBehindRefused(t *testing.T) {
	t.Parallel()
	docs := make([]bson.D, 6)
	for i := range docs {
		docs[i] = d("_id", int32(i), "b", 0)
	}
	inserted := insert("c", docs...)
	for name, create := range map[string]bson.D{
		"lane":     d("create", "c", "capped", true, "size", 1<<20),
		"together": d("create", "c"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rehearse(t, []bson.D{create, inserted}, nil)
			w, to := writing(t, r)
			// The server takes no name that begins with a dollar.
			first, second := changed(t, 1, "u", d("$no", 1)), changed(t, 3, "u", d("$no", 1), "i", d("z", 1, "y", 1))
			replaced := func(id int32) *change {
				return &change{id: value(t, id), base: baseDocument, full: raw(t, d("_id", id, "b", id))}
			}
			changes := []*change{
				replaced(0), first, changed(t, 2, "i", d("z", 1, "y", 1)), second, replaced(4), {id: value(t, int32(5)), base: baseDeleted},
			}
			if err := (task{to.UUID, changes, name == "lane"}).write(t.Context(), w, to); err != nil {
				t.Fatal(err)
			}
			if err := w.flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(w.again, []*change{first, second}) {
				t.Errorf("%d changes are asked for, want the two that were refused", len(w.again))
			}
			want := []bson.D{
				d("_id", int32(0), "b", int32(0)), docs[1], d("_id", int32(2), "b", 0, "z", 1, "y", 1), docs[3], d("_id", int32(4), "b", int32(4)),
			}
			got := documents(t, r.dst, migration.Namespace{DB: r.db, Collection: "c"})
			for i, doc := range want {
				if len(got) != len(want) || string(got[i]) != string(raw(t, doc)) {
					t.Fatalf("the destination has %s, want %v", got, want)
				}
			}
		})
	}
}

// TestManyRefused: where deltas are refused one after the other, the rest is not tried one
// by one.
func TestManyRefused(t *testing.T) {
	t.Parallel()
	r := rehearse(t, []bson.D{d("create", "c"), insert("c", d("_id", 0), d("_id", 99))}, nil)
	w, to := writing(t, r)
	gate := &enginetest.CountingGate{}
	w.slot = mongodb.NewSlot(r.dst.WithGate(gate), zap.NewNop(), r.meta, "many refused", 1)
	var changes []*change
	for range 50 {
		changes = append(changes, changed(t, 0, "u", d("$no", 1), "i", d("z", 1, "y", 1)))
	}
	changes = append(changes, &change{id: value(t, int32(99)), base: baseDeleted})
	if err := (task{to.UUID, changes, true}).write(t.Context(), w, to); err != nil {
		t.Fatal(err)
	}
	if n := gate.Commands(); n > manyRefused+3 || len(unique(w.again)) != 50 {
		t.Errorf("%d commands, %d changes are asked for", n, len(unique(w.again)))
	}
	if docs := documents(t, r.dst, migration.Namespace{DB: r.db, Collection: "c"}); len(docs) != 1 {
		t.Errorf("what came behind was not done: %s", docs)
	}
}

// TestOrdered: statements that build on each other are sent as such, and no others.
func TestOrdered(t *testing.T) {
	t.Parallel()
	r := rehearse(t, []bson.D{d("create", "c")}, nil)
	w, to := writing(t, r)
	one, several := changed(t, 1, "u", d("a", 1)), changed(t, 2, "i", d("z", 1, "y", 1))
	for _, c := range []struct {
		name    string
		command *command
		changes []*change
		ordered bool
	}{
		{"one each", newCommand(to, updates), []*change{one}, false},
		{"several of one", newCommand(to, updates), []*change{one, several}, true},
		{"a lane's", newLaneCommand(to, deletes), []*change{one}, true},
	} {
		for _, ch := range c.changes {
			c.command.change(ch)
		}
		if got := c.command.encode(w.slot).Body.Lookup("ordered").Boolean(); got != c.ordered {
			t.Errorf("%s: ordered is %v", c.name, got)
		}
	}
}
