package replication

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

func encoded(t testing.TB, v any) bson.Raw {
	t.Helper()
	doc, err := bson.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// FuzzParseEvent: whatever the bytes, there is an event that can be applied or an
// error.
func FuzzParseEvent(f *testing.F) {
	uuid := bson.Binary{Subtype: bson.TypeBinaryUUID, Data: make([]byte, 16)}
	f.Add([]byte(encoded(f, d("_id", d("_data", "82"), "operationType", "insert", "ns", d("db", "a", "coll", "b"), "collectionUUID", uuid,
		"documentKey", d("_id", 1), "fullDocument", d("_id", 1)))), false)
	f.Add([]byte(encoded(f, d("_id", d("_data", "82"), "operationType", "update", "collectionUUID", uuid, "documentKey", d("_id", 1),
		"rawUpdateDescription", d("$v", 2, "diff", d("u", d("a", 1), "i", d("b", 1), "d", d("c", false), "sx", d()))))), true)
	f.Fuzz(func(t *testing.T, data []byte, lean bool) {
		e, err := parseEvent(data, lean)
		if err != nil {
			return
		}
		if err := e.validate(); err != nil {
			t.Fatal(err)
		}
		if e.isDocument() {
			canonicalID(e.id)
			c := &change{}
			c.apply(&e, false)
			if e.kind == kindUpdate && !c.refetched() && c.delta.empty() {
				t.Fatal("an update that does nothing")
			}
		}
	})
}

func (c *change) refetched() bool { return c.base == baseRefetch }

// FuzzUpdates makes a document and differences that follow each other from bytes:
// what stands for all of them must make what they mean, the order of fields included.
func FuzzUpdates(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3}, []byte{0x00, 0x41, 0x82, 0x45, 0xff, 0x41, 0x00})
	f.Add([]byte{9, 8, 7}, []byte{0x4b, 0x4a, 0x49, 0x40, 0xff, 0x8a, 0xff, 0x4a, 0x09})
	f.Fuzz(func(t *testing.T, there, diffs []byte) {
		doc, rows, want := invent(t, there, diffs)
		if len(rows) == 0 {
			return
		}
		ch := &change{base: baseDocument, full: encode(doc)}
		for _, u := range rows {
			if !ch.delta.add(u) {
				t.Fatalf("%v was taken for something else than a history", rows)
			}
		}
		got := doc
		for _, m := range modifiersOf(t, rows...) {
			got = classic(t, got, m)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%v and %v\nmade %v\nwant %v", doc, rows, got, want)
		}
		if ch.settle(); !bytes.Equal(ch.full, encode(want)) {
			t.Fatalf("%v and %v\nmade %v\nwant %v", doc, rows, ch.full, encode(want))
		}
	})
}

// fieldNames are of all kinds that the server sorts in different ways.
var fieldNames = []string{"a", "b", "z", "A", "10", "9", "0", "09", "ab", "a0", "-1", "é", "1a"}

// invent makes a document, updates of it in a row, and what they make of it. 0xff
// begins the next update.
func invent(t testing.TB, there, diffs []byte) (doc []field, rows []updateDescription, want []field) {
	t.Helper()
	for i, n := range there {
		doc = set(doc, field{fieldNames[int(n)%len(fieldNames)], int32(i)})
	}
	want = slices.Clone(doc)
	for n, diff := range bytes.Split(diffs, []byte{0xff}) {
		before := slices.Clone(want)
		var sets, appended, removed []field
		used := map[string]bool{}
		for i, b := range diff {
			name := fieldNames[int(b&0x3f)%len(fieldNames)]
			fresh := field{name, int32(1000*(n+1) + i)}
			switch kind := b >> 6; {
			case used[name]:
				continue
			case kind == 1:
				appended = append(appended, fresh)
				want = unset(want, name)
			case kind == 0 && has(before, name):
				sets = append(sets, fresh)
				want = set(want, fresh)
			case kind == 2 && has(before, name):
				removed = append(removed, fresh)
				want = unset(want, name)
			default:
				continue
			}
			used[name] = true
		}
		want = append(want, appended...)
		if len(used) > 0 {
			rows = append(rows, updated(t, "u", encode(sets), "i", encode(appended), "d", encode(removed)))
		}
	}
	return doc, rows, want
}

// encode makes a document of fields.
func encode(fields []field) bson.Raw {
	b := bsoncore.NewDocumentBuilder()
	for _, f := range fields {
		b.AppendInt32(f.name, f.value)
	}
	return bson.Raw(b.Build())
}

type field struct {
	name  string
	value int32
}

func has(doc []field, name string) bool {
	return slices.ContainsFunc(doc, func(f field) bool { return f.name == name })
}

func set(doc []field, f field) []field {
	out := slices.Clone(doc)
	for i := range out {
		if out[i].name == f.name {
			out[i] = f
			return out
		}
	}
	return append(out, f)
}

func unset(doc []field, name string) []field {
	return slices.DeleteFunc(slices.Clone(doc), func(f field) bool { return f.name == name })
}

// classic applies $unset and $set as the server does: what is new comes to the
// end, sorted by name, names that are numbers by number and before others.
func classic(t *testing.T, doc []field, change bson.Raw) []field {
	t.Helper()
	for _, part := range []string{"$unset", "$set"} {
		modifier, ok := change.Lookup(part).DocumentOK()
		if !ok {
			continue
		}
		elements, err := modifier.Elements()
		if err != nil {
			t.Fatal(err)
		}
		slices.SortStableFunc(elements, func(a, b bson.RawElement) int { return byName(a.Key(), b.Key()) })
		for _, e := range elements {
			if part == "$unset" {
				doc = unset(doc, e.Key())
			} else {
				doc = set(doc, field{e.Key(), e.Value().Int32()})
			}
		}
	}
	return doc
}

func byName(a, b string) int {
	x, errX := strconv.ParseUint(a, 10, 32)
	y, errY := strconv.ParseUint(b, 10, 32)
	switch {
	case errX == nil && errY == nil && x != y:
		return int(x) - int(y)
	case errX == nil && errY != nil:
		return -1
	case errX != nil && errY == nil:
		return 1
	default:
		return bytes.Compare([]byte(a), []byte(b))
	}
}

// FuzzCanonicalID: numbers have the same name exactly when they are equal, other
// values exactly when their bytes are.
func FuzzCanonicalID(f *testing.F) {
	f.Add(int64(1), 1.0, []byte("a"), []byte("b"))
	f.Add(int64(math.MaxInt64), float64(math.MaxInt64), []byte{}, []byte{0})
	f.Add(int64(0), math.Copysign(0, -1), []byte("n"), []byte("s"))
	f.Fuzz(func(t *testing.T, n int64, x float64, p, q []byte) {
		id := func(v any) string { return canonicalID(encoded(t, d("_id", v)).Lookup("_id")) }
		// A double is a whole number exactly when it survives the way there and back.
		equal := x == math.Trunc(x) && x >= math.MinInt64 && x < math.MaxInt64 && int64(x) == n
		if (id(n) == id(x)) != equal {
			t.Errorf("%d and %g: equal %t", n, x, equal)
		}
		if n >= math.MinInt32 && n <= math.MaxInt32 && (id(n) != id(int32(n)) || id(d("k", n)) != id(d("k", int32(n)))) {
			t.Errorf("%d differs by its type", n)
		}
		same := bytes.Equal(p, q)
		values := func(b []byte) []any {
			return []any{string(b), bson.Binary{Data: b}, d("k", string(b)), bson.A{string(b)}, bson.A{string(b), bson.A{}}, d("k", bson.A{string(b)})}
		}
		for i, v := range values(p) {
			for j, w := range values(q) {
				if got := id(v) == id(w); got != (same && i == j) {
					t.Errorf("%v and %v: equal %t", v, w, got)
				}
			}
		}
	})
}

// FuzzCanonicalIDOfAnything takes any bytes for a value.
func FuzzCanonicalIDOfAnything(f *testing.F) {
	f.Add([]byte(encoded(f, d("_id", d("k", bson.A{1, 2.5})))))
	f.Fuzz(func(_ *testing.T, data []byte) {
		if id, err := bson.Raw(data).LookupErr("_id"); err == nil && id.Validate() == nil {
			canonicalID(id)
		}
	})
}

// FuzzAssemble takes an event apart at any field: put together it is the event
// again, with the token of the last part.
func FuzzAssemble(f *testing.F) {
	f.Add([]byte{1, 2}, uint8(5))
	f.Fuzz(func(t *testing.T, cuts []byte, n uint8) {
		whole := d("_id", d("_data", "last"))
		parts := []bson.D{{}}
		for i := range int(n % 12) {
			if slices.Contains(cuts, byte(i)) {
				parts = append(parts, bson.D{})
			}
			e := e("f"+strconv.Itoa(i), i)
			parts[len(parts)-1] = append(parts[len(parts)-1], e)
			whole = append(whole, e)
		}
		r := &reader{}
		for i, p := range parts {
			token := "part"
			if i == len(parts)-1 {
				token = "last"
			}
			p = append(bson.D{e("_id", d("_data", token))}, p...)
			split := d("fragment", i+1, "of", len(parts))
			p = append(p, e("splitEvent", split))
			got, done := r.assemble(encoded(t, p), encoded(t, split))
			if done != (i == len(parts)-1) {
				t.Fatalf("part %d of %d: whole %t", i+1, len(parts), done)
			}
			if done && !sameFields(t, got, encoded(t, whole)) {
				t.Fatalf("%s is not %s", got, encoded(t, whole))
			}
		}
		if len(r.fragments) > 0 {
			t.Fatal("parts are left")
		}
	})
}

// sameFields: the token may be anywhere.
func sameFields(t *testing.T, a, b bson.Raw) bool {
	t.Helper()
	x, err := a.Elements()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range x {
		if !e.Value().Equal(b.Lookup(e.Key())) {
			return false
		}
	}
	y, err := b.Elements()
	return err == nil && len(x) == len(y)
}
