package replication

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/enginetest"
	"mongoferry/internal/migration"
)

// TestDeltaOnTheServer: what stands for a row of updates makes on a server what the
// updates make there one after the other, and what we make of the document by
// ourselves.
func TestDeltaOnTheServer(t *testing.T) {
	t.Parallel()
	dst, db := enginetest.Destination(t), databaseOf(t)
	random := rand.New(rand.NewPCG(1, 1))
	const many = 500
	var docs []bson.D
	var single, merged, patched []bson.D
	for id := range many {
		fields, rows, _ := invent(t, bytesFrom(random, 6), bytesFrom(random, 30))
		ch := &change{base: baseDocument, full: encode(append([]field{{"_id", int32(id)}}, fields...))}
		docs = append(docs, asD(t, ch.full))
		for _, u := range rows {
			if !ch.delta.add(u) {
				t.Fatalf("%v cannot follow each other", rows)
			}
			for _, m := range modifiersOf(t, u) {
				single = append(single, d("q", d("_id", id), "u", m))
			}
		}
		if len(rows) > 0 {
			for _, m := range modifiersOf(t, rows...) {
				merged = append(merged, d("q", d("_id", id), "u", m))
			}
		}
		ch.settle()
		patched = append(patched, asD(t, ch.full))
	}
	if len(merged) >= len(single) {
		t.Errorf("%d statements were merged into %d", len(single), len(merged))
	}
	for coll, statements := range map[string][]bson.D{"single": single, "merged": merged} {
		enginetest.Run(t, dst, db, insert(coll, docs...))
		enginetest.Run(t, dst, db, d("update", coll, "updates", statements))
	}
	enginetest.Run(t, dst, db, insert("patched", patched...))
	want := documents(t, dst, migration.Namespace{DB: db, Collection: "single"})
	for _, coll := range []string{"merged", "patched"} {
		for i, doc := range documents(t, dst, migration.Namespace{DB: db, Collection: coll}) {
			if !bytes.Equal(doc, want[i]) {
				t.Errorf("%s: %s\none after the other: %s", coll, doc, want[i])
			}
		}
	}
}

func asD(t testing.TB, doc bson.Raw) (out bson.D) {
	t.Helper()
	must(t, bson.Unmarshal(doc, &out))
	return out
}

// bytesFrom makes up to n bytes, in which a new update begins now and then.
func bytesFrom(random *rand.Rand, n int) []byte {
	out := make([]byte, random.IntN(n+1))
	for i := range out {
		if out[i] = byte(random.IntN(256)); random.IntN(5) == 0 {
			out[i] = 0xff
		}
	}
	return out
}

// TestDeltaOfAnother: documents that a delta was not made for are read again, and
// so is what would be larger than a document.
func TestDeltaOfAnother(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		doc bson.D
		u   updateDescription
	}{
		"without the field":   {d("_id", 1, "b", 1), updated(t, "u", d("a", 2))},
		"with the name twice": {d("_id", 1, "a", 1, "a", 2), updated(t, "u", d("a", 3))},
		"removed twice":       {d("_id", 1, "a", 1, "a", 2), updated(t, "d", d("a", false))},
		"too large":           {d("_id", 1, "a", make([]byte, 9<<20)), updated(t, "i", d("b", make([]byte, 9<<20)))},
	} {
		ch := &change{base: baseDocument, full: raw(t, c.doc)}
		if !ch.delta.add(c.u) {
			t.Errorf("%s: refused", name)
		}
		if ch.settle(); !ch.refetched() {
			t.Errorf("%s: %s", name, ch.full)
		}
	}
}

// TestDeltaTooWide: updates that would take a statement for almost each field, or repeat
// a long _id too often, are left to the document.
func TestDeltaTooWide(t *testing.T) {
	t.Parallel()
	numbers := func(n int) (fields []field) {
		for i := range n {
			fields = append(fields, field{fmt.Sprint(n - i), int32(i)})
		}
		return fields
	}
	sorted := func(n int) (fields []field) {
		for i := range n {
			fields = append(fields, field{fmt.Sprintf("f%05d", i), int32(i)})
		}
		return fields
	}
	for name, c := range map[string]struct {
		id   any
		u    updateDescription
		left bool
	}{
		"sorted":            {1, updated(t, "i", encode(sorted(5000))), false},
		"numbers":           {1, updated(t, "i", encode(numbers(maxSteps-1))), false},
		"too many numbers":  {1, updated(t, "i", encode(numbers(maxSteps))), true},
		"a long _id":        {strings.Repeat("x", 1<<20), updated(t, "i", encode(numbers(20))), true},
		"many long names":   {1, updated(t, "d", encode([]field{{strings.Repeat("x", 8<<20), 0}})), true},
		"a long value":      {1, updated(t, "u", d("a", make([]byte, 9<<20))), false},
		"a long _id, twice": {strings.Repeat("x", 1<<20), updated(t, "i", encode(numbers(2))), false},
	} {
		ch := &change{id: value(t, c.id)}
		if !ch.delta.add(c.u) {
			t.Fatalf("%s: refused", name)
		}
		if ch.settle(); ch.refetched() != c.left {
			t.Errorf("%s: left to the document: %v", name, ch.refetched())
		}
	}
}

// TestWideUpdates: fields with numbers as names, in lanes too, thousands of them in one
// update, of a document with a long _id.
func TestWideUpdates(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("x", 100_000)
	numbers := func(from, to int) bson.D {
		set := d("n", to)
		for i := from; i > to; i-- {
			set = append(set, bson.E{Key: fmt.Sprint(i), Value: 1})
		}
		return set
	}
	var before, history []bson.D
	for coll, create := range map[string]bson.D{
		"plain": d("create", "plain"),
		"lane":  d("create", "lane", "collation", d("locale", "en")),
	} {
		before = append(before, create, insert(coll, d("_id", id, "n", 0)))
		for _, set := range []bson.D{numbers(3000, 1000), numbers(2000, 0), numbers(4010, 3990)} {
			history = append(history, d("update", coll, "updates", bson.A{d("q", d("_id", id), "u", d("$set", set))}))
		}
	}
	r := rehearse(t, before, history)
	r.reset()
	r.applyTwice(nil)
}

// TestDeltaOfManyFields finds fields by a map.
func TestDeltaOfManyFields(t *testing.T) {
	t.Parallel()
	doc, want := []field{}, []field{}
	var rows []updateDescription
	for i := range int32(3 * manyFields) {
		name := string('a' + i)
		doc = append(doc, field{name, i})
		want = append(want, field{name, -i})
		rows = append(rows, updated(t, "u", encode([]field{{name, i + 1}})), updated(t, "u", encode([]field{{name, -i}})))
	}
	rows = append(rows, updated(t, "i", encode(want[:2])), updated(t, "d", encode(want[2:3])))
	want = append(want[3:], want[:2]...)
	ch := &change{base: baseDocument, full: encode(doc)}
	for _, u := range rows {
		if !ch.delta.add(u) {
			t.Fatal("refused")
		}
	}
	if ch.settle(); !bytes.Equal(ch.full, encode(want)) {
		t.Errorf("made %s\nwant %s", ch.full, encode(want))
	}
}
