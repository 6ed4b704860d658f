package replication

import (
	"fmt"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
)

func raw(t testing.TB, v any) bson.Raw {
	t.Helper()
	b, err := bson.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// updated describes an update as the server does.
func updated(t testing.TB, sets bson.D, removed ...string) updateDescription {
	t.Helper()
	u, err := parseUpdate(value(t, bson.D{{Key: "updatedFields", Value: sets}, {Key: "removedFields", Value: removed}, {Key: "truncatedArrays", Value: bson.A{}}}))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestUpdates: which deltas are repeated as they are, and in how many steps so
// that new fields come in the order of the event.
func TestUpdates(t *testing.T) {
	t.Parallel()
	field := func(names ...string) (d bson.D) {
		for i, n := range names {
			d = append(d, bson.E{Key: n, Value: i})
		}
		return d
	}
	cases := []struct {
		name    string
		update  updateDescription
		plain   bool
		updates []string
	}{
		{"one field", updated(t, field("a")), true, []string{`{"$set":{"a":0}}`}},
		{"sorted", updated(t, field("a", "b")), true, []string{`{"$set":{"a":0,"b":1}}`}},
		{"not sorted", updated(t, field("b", "a")), true, []string{`{"$set":{"b":0}}`, `{"$set":{"a":1}}`}},
		{"numbers as names", updated(t, field("10", "9")), true, []string{`{"$set":{"10":0}}`, `{"$set":{"9":1}}`}},
		{"one number as name", updated(t, field("10")), true, []string{`{"$set":{"10":0}}`}},
		{"removed", updated(t, nil, "a", "b"), true, []string{`{"$unset":{"a":"","b":""}}`}},
		{"both", updated(t, field("a"), "b"), true, []string{`{"$unset":{"b":""},"$set":{"a":0}}`}},
		{"removed and set again", updated(t, field("a"), "a"), true, []string{`{"$unset":{"a":""}}`, `{"$set":{"a":0}}`}},
		{"dotted", updated(t, field("a.b")), false, nil},
		{"dollar", updated(t, field("$a")), false, nil},
		{"empty name", updated(t, field("")), false, nil},
		{"dotted removal", updated(t, nil, "a.b"), false, nil},
		{"nothing", updated(t, nil), false, nil},
	}
	for _, c := range cases {
		if got := c.update.plain(); got != c.plain {
			t.Errorf("%s: plain is %t", c.name, got)
			continue
		}
		if !c.plain {
			continue
		}
		var got []string
		for _, u := range c.update.updates() {
			got = append(got, compact(u))
		}
		if fmt.Sprint(got) != fmt.Sprint(c.updates) {
			t.Errorf("%s: %v, want %v", c.name, got, c.updates)
		}
	}
	truncated, err := parseUpdate(value(t, bson.D{{Key: "updatedFields", Value: field("a")}, {Key: "truncatedArrays", Value: bson.A{bson.D{{Key: "field", Value: "l"}}}}}))
	if err != nil || truncated.plain() {
		t.Errorf("a truncated array is taken for a plain update: %v", err)
	}
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
	set := event{kind: kindUpdate, update: updated(t, bson.D{{Key: "a", Value: 1}})}
	dotted := event{kind: kindUpdate, update: updated(t, bson.D{{Key: "a.b", Value: 1}})}
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
		{"updates", []event{set, set}, false, "as it stands +2"},
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
		p := newPlan()
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
	if len(c.updates) > 0 {
		text += fmt.Sprint(" +", len(c.updates))
	}
	return text
}

// TestLanes: where order is part of the data, or unequal keys can be one
// document, nothing is coalesced.
func TestLanes(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]bson.D{
		"capped":    {{Key: "capped", Value: true}},
		"collation": {{Key: "collation", Value: bson.D{{Key: "locale", Value: "en"}}}},
	} {
		p := newPlan()
		c := catalog.Collection{UUID: catalog.UUID{1}, Options: raw(t, options)}
		for i := range 3 {
			e := event{kind: kindInsert, full: raw(t, bson.D{{Key: "_id", Value: 1}, {Key: "n", Value: i}}), id: value(t, 1)}
			p.add(c, key{uuid: c.UUID, id: "1"}, &e, false)
		}
		if len(p.order) != 0 || len(p.lanes[c.UUID]) != 3 {
			t.Errorf("%s: %d free, %d in the lane", name, len(p.order), len(p.lanes[c.UUID]))
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
		if e, err := parseEvent(raw(t, doc)); err == nil {
			t.Errorf("%s was taken for %+v", name, e)
		}
	}
}
