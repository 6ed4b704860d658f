package replication

import (
	"fmt"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

func raw(t testing.TB, v any) bson.Raw {
	t.Helper()
	b, err := bson.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// updated describes an update as the oplog does: u, i, d, and s with a name.
func updated(t testing.TB, parts ...any) updateDescription {
	t.Helper()
	u, err := parseUpdate(value(t, d("$v", 2, "diff", d(parts...))))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestUpdates: which differences are repeated as they are, and in how many steps
// so that new fields come in the order of the source.
func TestUpdates(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		update  updateDescription
		plain   bool
		updates []string
	}{
		{"in its place", updated(t, "u", d("b", 0, "a", 1)), true, []string{`{"$set":{"b":0,"a":1}}`}},
		{"new", updated(t, "i", d("a", 0)), true, []string{`{"$unset":{"a":true}}`, `{"$set":{"a":0}}`}},
		{"sorted", updated(t, "i", d("a", 0, "b", 1)), true, []string{`{"$unset":{"a":true,"b":true}}`, `{"$set":{"a":0,"b":1}}`}},
		{"not sorted", updated(t, "i", d("b", 0, "a", 1)), true, []string{`{"$unset":{"b":true,"a":true}}`, `{"$set":{"b":0}}`, `{"$set":{"a":1}}`}},
		{"numbers as names", updated(t, "i", d("10", 0, "9", 1)), true, []string{`{"$unset":{"10":true,"9":true}}`, `{"$set":{"10":0}}`, `{"$set":{"9":1}}`}},
		{"removed", updated(t, "d", d("a", false, "b", false)), true, []string{`{"$unset":{"a":true,"b":true}}`}},
		{"all at once", updated(t, "d", d("c", false), "u", d("a", 0), "i", d("b", 1)), true, []string{`{"$unset":{"c":true,"b":true},"$set":{"a":0}}`, `{"$set":{"b":1}}`}},
		{"dotted", updated(t, "u", d("a.b", 0)), false, nil},
		{"dollar", updated(t, "i", d("$a", 0)), false, nil},
		{"empty name", updated(t, "u", d("", 0)), false, nil},
		{"dotted removal", updated(t, "d", d("a.b", false)), false, nil},
		{"everything moved", updated(t, "i", d("_id", 1, "a", 0)), false, nil},
		{"below", updated(t, "u", d("a", 0), "sb", d("u", d("c", 1))), false, nil},
		{"not known", updated(t, "x", d("a", 0)), false, nil},
		{"nothing", updated(t), false, nil},
	}
	for _, c := range cases {
		if got := c.update.plain; got != c.plain {
			t.Errorf("%s: plain is %t", c.name, got)
			continue
		}
		if !c.plain {
			continue
		}
		var got []string
		for _, u := range modifiersOf(t, c.update) {
			got = append(got, compact(u))
		}
		if fmt.Sprint(got) != fmt.Sprint(c.updates) {
			t.Errorf("%s: %v, want %v", c.name, got, c.updates)
		}
	}
	if u, err := parseUpdate(value(t, d("$v", 1, "$set", d("a", 1)))); err != nil || u.plain {
		t.Errorf("a description without a difference is taken for plain: %v", err)
	}
}

// modifiersOf gives the classic updates that stand for rows of updates.
func modifiersOf(t testing.TB, rows ...updateDescription) []bson.Raw {
	t.Helper()
	ch := &change{id: value(t, 1)}
	for _, u := range rows {
		if !ch.delta.add(u) {
			t.Fatalf("%v cannot follow", u)
		}
	}
	cmd := newCommand(catalog.Collection{}, updates)
	cmd.change(ch)
	statements, err := cmd.encode(&mongodb.Slot{}).Body.Lookup("updates").Array().Values()
	if err != nil {
		t.Fatal(err)
	}
	var out []bson.Raw
	for _, s := range statements {
		out = append(out, s.Document().Lookup("u").Document())
	}
	return out
}

// compact is extended JSON with bare numbers and no blanks.
func compact(r bson.Raw) string {
	text, err := bson.MarshalExtJSON(r, false, false)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// TestCoalesce: what is left of the events of one document.
func TestCoalesce(t *testing.T) {
	t.Parallel()
	doc := func(n int) bson.Raw { return raw(t, bson.D{{Key: "_id", Value: 1}, {Key: "n", Value: n}}) }
	insert := event{kind: kindInsert, full: doc(1)}
	replace := event{kind: kindReplace, full: doc(2)}
	remove := event{kind: kindDelete}
	set := event{kind: kindUpdate, update: updated(t, "u", d("a", 1))}
	other := event{kind: kindUpdate, update: updated(t, "u", d("b", 1))}
	unset := event{kind: kindUpdate, update: updated(t, "d", d("a", false))}
	dotted := event{kind: kindUpdate, update: updated(t, "sa", d("u", d("b", 1)))}
	cases := []struct {
		name   string
		events []event
		stale  bool
		want   string
	}{
		{"insert", []event{insert}, false, "document 1"},
		{"insert and delete", []event{insert, remove}, false, "deleted"},
		{"delete and insert", []event{remove, insert}, false, "document 1"},
		{"insert and replace", []event{insert, replace}, false, "document 2"},
		{"insert and update", []event{insert, set}, false, "document 1 +1"},
		{"insert and update on a newer document", []event{insert, set}, true, "document 1 +1"},
		{"updates", []event{set, other, set}, false, "as it stands +2"},
		{"update of what the one before has removed", []event{unset, set}, false, "read again"},
		{"update on a newer document", []event{set}, true, "read again"},
		{"update and replace", []event{set, replace}, false, "document 2"},
		{"update and delete", []event{set, remove}, false, "deleted"},
		{"ambiguous update", []event{dotted}, false, "read again"},
		{"ambiguous update, then more", []event{dotted, set, set}, false, "read again"},
		{"ambiguous update, then delete", []event{dotted, remove}, false, "deleted"},
		{"insert, then ambiguous update", []event{insert, dotted}, false, "read again"},
		{"delete, then update", []event{remove, set}, false, "read again"},
	}
	for _, c := range cases {
		p := newPlan(0)
		k := key{uuid: catalog.UUID{1}, id: "1"}
		for i := range c.events {
			e := c.events[i]
			e.uuid, e.id, e.at = k.uuid, value(t, 1), migration.OpTime{T: uint32(i + 1)}
			p.add(catalog.Collection{UUID: k.uuid}, k, &e, c.stale)
		}
		if len(p.order) != 1 || p.events != int64(len(c.events)) {
			t.Fatalf("%s: %d changes of %d events", c.name, len(p.order), p.events)
		}
		if got := describe(p.order[0]); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func describe(c *change) string {
	text := map[base]string{baseNone: "as it stands", baseDeleted: "deleted", baseRefetch: "read again"}[c.base]
	if c.base == baseDocument {
		text = "document " + c.full.Lookup("n").String()
		text = strings.NewReplacer(`{"$numberInt":"`, "", `"}`, "").Replace(text)
	}
	if n := len(c.delta.fields); n > 0 {
		text += fmt.Sprint(" +", n)
	}
	return text
}

// TestLanes: where order is part of the data, or unequal keys can be one
// document, nothing is coalesced; other documents of such a collection are.
func TestLanes(t *testing.T) {
	t.Parallel()
	capped, collation := d("capped", true), d("collation", d("locale", "en"))
	for _, c := range []struct {
		options bson.D
		id      any
		lane    bool
	}{
		{capped, 1, true},
		{collation, "a", true},
		{collation, d("a", "b"), true},
		{collation, bson.Symbol("a"), true},
		{collation, bson.Regex{Pattern: "a"}, true},
		{collation, 1, false},
		{collation, bson.NewObjectID(), false},
		{nil, "a", false},
	} {
		p := newPlan(0)
		to := catalog.Collection{UUID: catalog.UUID{1}, Options: raw(t, append(bson.D{}, c.options...))}
		for i := range 3 {
			e := event{kind: kindInsert, full: raw(t, d("_id", c.id, "n", i)), id: value(t, c.id)}
			p.add(to, key{uuid: to.UUID, id: "1"}, &e, false)
		}
		if free, lane := len(p.order), len(p.lanes[to.UUID]); c.lane && (free != 0 || lane != 3) || !c.lane && (free != 1 || lane != 0) {
			t.Errorf("%v of %v: %d free, %d in the lane", c.id, c.options, free, lane)
		}
	}
}

// TestEventsThatAreNotWhole are refused, not guessed at.
func TestEventsThatAreNotWhole(t *testing.T) {
	t.Parallel()
	token := bson.E{Key: "_id", Value: bson.D{{Key: "_data", Value: "82"}}}
	uuid := bson.E{Key: "collectionUUID", Value: bson.Binary{Subtype: 4, Data: append(make([]byte, 15), 1)}}
	kind := func(k string) bson.E { return bson.E{Key: "operationType", Value: k} }
	id := bson.E{Key: "documentKey", Value: bson.D{{Key: "_id", Value: 1}}}
	for name, doc := range map[string]bson.D{
		"no kind": {token}, "no token": {kind("insert")},
		"insert without UUID": {token, kind("insert"), id}, "insert without document": {token, kind("insert"), id, uuid},
		"delete without key":         {token, kind("delete"), uuid},
		"update without description": {token, kind("update"), id, uuid, {Key: "updateDescription", Value: 1}},
	} {
		if e, err := parseEvent(raw(t, doc), false); err == nil {
			t.Errorf("%s was taken for %+v", name, e)
		}
	}
}
