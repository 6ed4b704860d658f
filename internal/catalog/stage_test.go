package catalog

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// staged creates a collection that is being copied.
func staged(t *testing.T, m *Map) Collection {
	t.Helper()
	c := Collection{
		UUID: UUID{1, 2, 3}, NS: migration.Namespace{DB: t.Name(), Collection: "c"}, Kind: KindCollection, Staged: true,
		Options: marshal(t, bson.D{e("validator", bson.D{e("n", bson.D{e("$gte", 0)})})}),
	}
	for range 2 { // an attempt that begins again finds its own
		if err := m.Create(t.Context(), []Collection{c}); err != nil {
			t.Fatal(err)
		}
	}
	known, _ := m.ByUUID(c.UUID)
	return known
}

// insertUnder inserts as the copy does, and gives the server's refusal.
func insertUnder(t *testing.T, dst *mongodb.Client, c Collection, id int) error {
	t.Helper()
	return dst.Write(t.Context(), c.NS.DB, bson.D{
		{Key: "insert", Value: c.CopyName()}, {Key: "documents", Value: bson.A{bson.D{e("_id", id), e("n", 1)}}}, c.Itself(),
	})
}

// TestPublish: a staged collection is copied under another name, and gets its own with all
// that is in it; what comes late for the other name is refused. Done again, also by one
// that knows the map from before, nothing changes.
func TestPublish(t *testing.T) {
	t.Parallel()
	_, dst, m := pair(t)
	c := staged(t, m)
	if err := insertUnder(t, dst, c, 1); err != nil {
		t.Fatal(err)
	}
	there := read(t, dst)
	if _, published := there["c"]; published || len(there) != 1 || c.CopyName() == "c" {
		t.Errorf("while it is copied there are %v", there)
	}
	for range 2 {
		other := NewMap(dst, m.metaDB)
		if err := other.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if known, _ := other.ByUUID(c.UUID); known.Staged != (len(read(t, dst)) == 1 && read(t, dst)["c"].UUID.IsZero()) {
			t.Errorf("the map says staged: %v", known.Staged)
		}
		now, err := other.Publish(t.Context(), c)
		if err != nil || now.Staged || now.Dest != c.Dest || now.CopyName() != "c" {
			t.Fatalf("published as %+v, %v", now, err)
		}
		if known, _ := other.ByUUID(c.UUID); known.Staged {
			t.Error("the map does not know that it is published")
		}
		if err := insertUnder(t, dst, c, 2); migration.KindOf(err) != migration.WriteRefused {
			t.Errorf("an insert that comes late ends with %v", err)
		}
		there = read(t, dst)
		if have := there["c"]; have.UUID != c.Dest || len(there) != 1 || have.Options.Lookup("validator").IsZero() {
			t.Errorf("published: %v", there)
		}
	}
	if err := m.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if known, _ := m.ByUUID(c.UUID); known.Staged || known.NS != c.NS || known.Dest != c.Dest {
		t.Errorf("the map has %+v", known)
	}
	if n, err := exactCount(t.Context(), dst, there["c"]); err != nil || n != 1 {
		t.Errorf("%d documents, %v", n, err)
	}
}

// TestPublishWhereTheNameIsTaken: what somebody else has made there in the meantime is left
// alone, and named; once it is moved, the step can be tried again.
func TestPublishWhereTheNameIsTaken(t *testing.T) {
	t.Parallel()
	_, dst, m := pair(t)
	c := staged(t, m)
	insert(t, dst, c.NS, bson.D{e("_id", "not ours")})
	if _, err := m.Publish(t.Context(), c); err == nil || migration.KindOf(err) != "" || !strings.Contains(err.Error(), c.NS.String()) {
		t.Errorf("ended with %v", err)
	}
	if there := read(t, dst); len(there) != 2 || there["c"].UUID == c.Dest {
		t.Errorf("there are %v", there)
	}
	run(t, dst, "admin", e("renameCollection", c.NS.String()), e("to", c.NS.DB+".moved"))
	if now, err := m.Publish(t.Context(), c); err != nil || now.Staged {
		t.Errorf("then ended with %v", err)
	}
	if there := read(t, dst); len(there) != 2 || there["c"].UUID != c.Dest {
		t.Errorf("at the end there are %v", there)
	}
}

// TestUnfinishedCopies: what is only being copied stands in the way of another migration,
// also of that collection alone, and can be dropped; one that is gone cannot be published.
func TestUnfinishedCopies(t *testing.T) {
	t.Parallel()
	_, dst, m := pair(t)
	c := staged(t, m)
	if err := insertUnder(t, dst, c, 1); err != nil {
		t.Fatal(err)
	}
	wanted := Collection{UUID: c.UUID, NS: c.NS, Kind: c.Kind}
	conflicts, err := Conflicts(t.Context(), dst, []Collection{wanted})
	if err != nil || len(conflicts) != 1 || conflicts[0].Dest != c.Dest {
		t.Errorf("in the way: %v, %v", conflicts, err)
	}
	for range 2 {
		if err := m.DropStaged(t.Context()); err != nil {
			t.Fatal(err)
		}
		if there := read(t, dst); len(there) != 0 {
			t.Errorf("there are %v", there)
		}
	}
	if _, err := m.Publish(t.Context(), c); migration.KindOf(err) != migration.WriteRefused || !strings.Contains(err.Error(), c.NS.String()) {
		t.Errorf("publishing what is gone ended with %v", err)
	}
	conflicts, err = Conflicts(t.Context(), dst, []Collection{wanted})
	if err != nil || len(conflicts) != 0 {
		t.Errorf("in the way: %v, %v", conflicts, err)
	}
}

// TestStageable: what is not copied by its _id alone, or has a name that means something,
// is not staged.
func TestStageable(t *testing.T) {
	t.Parallel()
	ns := func(name string) migration.Namespace { return migration.Namespace{DB: "d", Collection: name} }
	capped := marshal(t, bson.D{e("capped", true)})
	for _, c := range []struct {
		c    Collection
		want bool
	}{
		{Collection{NS: ns("c"), Kind: KindCollection}, true},
		{Collection{NS: ns("fs.chunks"), Kind: KindCollection}, true},
		{Collection{NS: ns("c"), Kind: KindCollection, Options: capped}, false},
		{Collection{NS: ns("s"), Kind: KindTimeseries}, false},
		{Collection{NS: ns("system.js"), Kind: KindCollection}, false},
		{Collection{NS: ns("v"), Kind: KindView}, false},
	} {
		if got := c.c.Stageable(); got != c.want {
			t.Errorf("%s %s: %v", c.c.Kind, c.c.NS, got)
		}
	}
}
