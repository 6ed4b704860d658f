package replication

import (
	"bytes"
	"math/rand/v2"
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
