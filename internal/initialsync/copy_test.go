package initialsync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/catalog"
	"mongoferry/internal/enginetest"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

func d(pairs ...any) bson.D {
	out := bson.D{}
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, bson.E{Key: pairs[i].(string), Value: pairs[i+1]})
	}
	return out
}

// mixed is documents whose _id are of many types, both ends of the order among
// them.
func mixed() []any {
	ids := []any{bson.MinKey{}, nil, math.NaN(), math.Inf(-1), math.Inf(1), -0.5, true, false, bson.Timestamp{T: 1}, bson.D{}, "", bson.MaxKey{}}
	for i := range 300 {
		ids = append(ids, i+1, fmt.Sprint("s", i), bson.D{{Key: "a", Value: i}}, bson.Binary{Data: []byte{byte(i), byte(i >> 8)}}, bson.NewObjectID(), bson.DateTime(i))
	}
	docs := make([]any, len(ids))
	for i, id := range ids {
		docs[i] = d("_id", id, "pad", make([]byte, 200))
	}
	return docs
}

func plain(n, size int) []any {
	docs := make([]any, n)
	for i := range docs {
		docs[i] = d("_id", i, "pad", make([]byte, size))
	}
	return docs
}

func kinds() map[string][]bson.E {
	return map[string][]bson.E{
		"plain":     nil,
		"clustered": {{Key: "clusteredIndex", Value: d("key", d("_id", 1), "unique", true)}},
		"collation": {{Key: "collation", Value: d("locale", "en", "strength", 1)}},
	}
}

// TestCopyOfEveryType copies whole and in many parts: no document is left out,
// none comes twice.
func TestCopyOfEveryType(t *testing.T) {
	t.Parallel()
	for name, options := range kinds() {
		for _, size := range []int64{1 << 30, 20_000} {
			t.Run(fmt.Sprint(name, " ", size), func(t *testing.T) {
				t.Parallel()
				k := newCopying(t, mixed(), options...)
				var copied int64
				for _, p := range k.parts(size) {
					done, err := Copy(t.Context(), k.task(p, func(Progress) {}))
					if err != nil {
						t.Fatal(err)
					}
					copied += done.Documents
				}
				k.same()
				if want := int64(len(k.documents(k.src))); copied != want {
					t.Errorf("%d documents were counted, want %d", copied, want)
				}
			})
		}
	}
}

// TestCopyOfAStagedCollection: documents are copied once, also by attempts that follow each
// other; one that comes after the collection has its name copies nothing.
func TestCopyOfAStagedCollection(t *testing.T) {
	t.Parallel()
	k := newStaged(t, plain(2*batchSize+17, 10))
	part := k.parts(1 << 30)[0]
	var late Task
	for range 2 {
		late = k.task(part, func(Progress) {})
		if done, err := Copy(t.Context(), late); err != nil || done.Documents != 2*batchSize+17 {
			t.Fatalf("%d documents, %v", done.Documents, err)
		}
	}
	cols := catalog.NewMap(k.dst, k.meta)
	if err := cols.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	staged, _ := cols.ByUUID(k.c.UUID)
	if _, err := cols.Publish(t.Context(), staged); err != nil {
		t.Fatal(err)
	}
	k.same()
	enginetest.Run(t, k.dst, k.ns.DB, d("delete", "c", "deletes", bson.A{d("q", d("_id", 3), "limit", 1)}))
	if _, err := Copy(t.Context(), late); err == nil {
		t.Error("a copy that came late found no fault")
	}
	if n := len(k.documents(k.dst)); n != 2*batchSize+16 {
		t.Errorf("a copy that came late brought something back: %d documents", n)
	}
}

// TestResume begins again behind every batch that was reported.
func TestResume(t *testing.T) {
	t.Parallel()
	for name, options := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newCopying(t, append(plain(2*batchSize+17, 10), d("_id", bson.MaxKey{})), options...)
			part := k.parts(1 << 30)[0]
			ctx, stop := context.WithCancel(t.Context())
			var last Progress
			_, err := Copy(ctx, k.task(part, func(p Progress) { last = p; stop() }))
			if !errors.Is(err, context.Canceled) || last.Documents != batchSize {
				t.Fatalf("stopped with %v after %d documents", err, last.Documents)
			}
			again := k.task(part, func(Progress) {})
			again.Resume = last.LastID
			done, err := Copy(t.Context(), again)
			if err != nil || done.Documents != batchSize+18 {
				t.Errorf("the rest was %d documents, %v", done.Documents, err)
			}
			k.same()
			end := k.task(part, func(Progress) { t.Error("something was left") })
			end.Resume = done.LastID
			if done, err = Copy(t.Context(), end); err != nil || done.Documents != 0 {
				t.Errorf("behind the end were %d documents, %v", done.Documents, err)
			}
		})
	}
}

// TestWithout: the document that was the last before is left out, and no other; the
// server takes what is left.
func TestWithout(t *testing.T) {
	t.Parallel()
	array := func(ids ...any) bson.RawArray {
		docs := bson.A{}
		for _, id := range ids {
			docs = append(docs, d("_id", id, "x", 1))
		}
		raw, err := bson.Marshal(d("a", docs))
		if err != nil {
			t.Fatal(err)
		}
		return bson.Raw(raw).Lookup("a").Array()
	}
	last := bson.RawValue{Type: bson.TypeInt32, Value: []byte{7, 0, 0, 0}}
	for _, c := range []struct{ given, want bson.RawArray }{
		{array(int32(7), int32(8), int32(9)), array(int32(8), int32(9))},
		{array(int32(7)), array()},
		{array(int64(7), int32(8)), array(int64(7), int32(8))},
		{array(int32(8), int32(7)), array(int32(8), int32(7))},
		{array(), array()},
	} {
		if got, err := without(c.given, last); err != nil || !bytes.Equal(got, c.want) {
			t.Errorf("%s: %s, %v", c.given, got, err)
		}
	}
}

// TestCopyAgain: what an earlier attempt has copied, and changes that have come
// since, are left as they are.
func TestCopyAgain(t *testing.T) {
	t.Parallel()
	k := newCopying(t, plain(10, 10))
	part := k.parts(1 << 30)[0]
	for range 2 {
		if _, err := Copy(t.Context(), k.task(part, func(Progress) {})); err != nil {
			t.Fatal(err)
		}
		k.same()
	}
}

// TestCapped is copied in its order, from the beginning each time.
func TestCapped(t *testing.T) {
	t.Parallel()
	docs := plain(2*batchSize, 10)
	for i := range docs {
		docs[i] = d("_id", (i*7919)%len(docs))
	}
	k := newCopying(t, docs, bson.E{Key: "capped", Value: true}, bson.E{Key: "size", Value: 1 << 24})
	part := k.parts(1 << 30)[0]
	ctx, stop := context.WithCancel(t.Context())
	first := k.task(part, func(Progress) { stop() })
	if _, err := Copy(ctx, first); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := Copy(t.Context(), k.task(part, func(Progress) {})); err != nil {
		t.Fatal(err)
	}
	k.same()
}

// TestCappedLosesItsCursor: the copy begins anew by itself.
func TestCappedLosesItsCursor(t *testing.T) {
	t.Parallel()
	k := newCopying(t, plain(8*batchSize, 10), bson.E{Key: "capped", Value: true}, bson.E{Key: "size", Value: 1 << 24})
	part := k.parts(1 << 30)[0]
	rename := func(from, to string) {
		command := d("renameCollection", k.ns.DB+"."+from, "to", k.ns.DB+"."+to)
		if _, err := k.src.Run(t.Context(), "admin", command); err != nil {
			t.Error(err)
		}
	}
	lose := sync.OnceFunc(func() { rename("c", "renamed") }) // that kills cursors
	var begun int
	last := int64(0)
	task := k.task(part, func(p Progress) {
		if p.Documents <= last || begun == 0 {
			begun++
		}
		last = p.Documents
		lose()
	})
	// All batches are alike, so that the first of a new beginning tells.
	task.Tuning = Tuning{Target: time.Minute, First: 1000, Most: 1000}
	if _, err := Copy(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	rename("renamed", "c")
	if begun != 2 {
		t.Errorf("begun %d times: was the cursor lost?", begun)
	}
	k.same()
}

// TestRenamedAndDropped: a rename on the source does not disturb the copy, a
// drop ends it.
func TestRenamedAndDropped(t *testing.T) {
	t.Parallel()
	k := newCopying(t, plain(100, 10))
	part := k.parts(1 << 30)[0]
	if _, err := k.src.Run(t.Context(), "admin", d("renameCollection", k.ns.String(), "to", k.ns.DB+".other")); err != nil {
		t.Fatal(err)
	}
	k.run(d("insert", "c", "documents", bson.A{d("_id", "successor")}))
	done, err := Copy(t.Context(), k.task(part, func(Progress) {}))
	if err != nil || done.Documents != 100 || len(k.documents(k.dst)) != 100 {
		t.Errorf("after a rename %d documents were copied, %v", done.Documents, err)
	}
	k.run(d("drop", "other"))
	if done, err = Copy(t.Context(), k.task(part, func(Progress) {})); err != nil || done.Documents != 0 {
		t.Errorf("after a drop %d documents were copied, %v", done.Documents, err)
	}
}

// TestStranger: another collection in the counterpart's place takes nothing.
func TestStranger(t *testing.T) {
	t.Parallel()
	k := newCopying(t, plain(10, 10))
	part := k.parts(1 << 30)[0]
	for _, command := range []bson.D{d("drop", "c"), d("create", "c")} {
		if _, err := k.dst.Run(t.Context(), k.ns.DB, command); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Copy(t.Context(), k.task(part, func(Progress) {}))
	if migration.KindOf(err) != migration.WriteRefused || len(k.documents(k.dst)) != 0 {
		t.Errorf("%v, and %d documents in the stranger's collection", err, len(k.documents(k.dst)))
	}
}

// TestLargest copies documents of exactly 16 MiB.
func TestLargest(t *testing.T) {
	t.Parallel()
	const overhead = 4 + 1 + 4 + 4 + 1 + 4 + 4 + 1 + 1 // length; int32 _id; binary x with length and subtype; end
	k := newCopying(t, []any{})
	for i := range 3 {
		doc := d("_id", int32(i), "pad", make([]byte, 16<<20-overhead))
		raw, err := bson.Marshal(doc)
		if err != nil || len(raw) > 16<<20 {
			t.Fatalf("%d bytes, %v", len(raw), err)
		}
		k.run(d("insert", "c", "documents", bson.A{doc}))
	}
	if _, err := Copy(t.Context(), k.task(k.parts(1 << 30)[0], func(Progress) {})); err != nil {
		t.Fatal(err)
	}
	k.same()
}

// TestValidatorsAreBypassed: what the source took before it had its validator is
// copied all the same.
func TestValidatorsAreBypassed(t *testing.T) {
	t.Parallel()
	k := newCopying(t, plain(10, 10))
	validator := bson.E{Key: "validator", Value: d("never", d("$exists", true))}
	for side, c := range map[string]*mongodb.Client{"source": k.src, "destination": k.dst} {
		if _, err := c.Run(t.Context(), k.ns.DB, bson.D{{Key: "collMod", Value: "c"}, validator}); err != nil {
			t.Fatalf("%s: %v", side, err)
		}
	}
	for _, part := range k.parts(1 << 30) {
		if _, err := Copy(t.Context(), k.task(part, func(Progress) {})); err != nil {
			t.Fatal(err)
		}
	}
	k.same()
}

// TestDuplicateOfAnotherIndex: only an equal _id means that a document is there
// already; any other equal key is a document that would be lost.
func TestDuplicateOfAnotherIndex(t *testing.T) {
	t.Parallel()
	k := newCopying(t, []any{d("_id", 1, "n", 1), d("_id", 2, "n", 1)})
	index := d("createIndexes", "c", "indexes", bson.A{d("name", "n", "key", d("n", 1), "unique", true)})
	if _, err := k.dst.Run(t.Context(), k.ns.DB, index); err != nil {
		t.Fatal(err)
	}
	_, err := Copy(t.Context(), k.task(k.parts(1 << 30)[0], func(Progress) {}))
	if migration.KindOf(err) != migration.WriteRefused || !strings.Contains(err.Error(), k.ns.String()) || !strings.Contains(err.Error(), "code 11000") {
		t.Errorf("ended with %v", err)
	}
}
