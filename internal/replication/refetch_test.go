package replication

import (
	"context"
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// TestAskable: a query asks for as many documents as fit into one, at least one.
func TestAskable(t *testing.T) {
	t.Parallel()
	of := func(kind bson.Type, n, size int) (changes []*change) {
		for range n {
			changes = append(changes, &change{id: bson.RawValue{Type: kind, Value: make([]byte, size)}})
		}
		return changes
	}
	var plain catalog.Collection
	for _, c := range []struct{ n, size, want int }{{5, 10, 5}, {5000, 10, refetchIDs}, {6, 3 << 20, 1}, {6, 1 << 20, 4}, {1, 8 << 20, 1}} {
		if got := askable(plain, of(bson.TypeString, c.n, c.size)); got != c.want {
			t.Errorf("%d of %d bytes: %d, want %d", c.n, c.size, got, c.want)
		}
	}
	collation := catalog.Collection{Options: raw(t, d("collation", d("locale", "en")))}
	strings, numbers := of(bson.TypeString, 3, 10), of(bson.TypeInt64, 3, 8)
	for name, c := range map[string]struct {
		changes []*change
		want    int
	}{"strings": {strings, 1}, "numbers": {numbers, 3}, "numbers first": {append(numbers, strings...), 3}, "strings first": {append(strings, numbers...), 1}} {
		if got := askable(collation, c.changes); got != c.want {
			t.Errorf("with a collation, %s: %d, want %d", name, got, c.want)
		}
	}
}

// TestFewAreReadAgain: what one document that was read from the source holds already says
// nothing of others: their changes are applied as they are.
func TestFewAreReadAgain(t *testing.T) {
	t.Parallel()
	const documents, rounds = 100, 5
	docs := make([]bson.D, documents)
	for i := range docs {
		docs[i] = d("_id", i, "n", 0, "below", d("a", 0, "b", 0))
	}
	var history []bson.D
	for n := range rounds {
		history = append(history,
			d("update", "c", "updates", bson.A{d("q", d("_id", n), "u", d("$set", d("below.a", n+1)))}),
			d("update", "c", "updates", bson.A{d("q", d(), "u", d("$inc", d("n", 1)), "multi", true)}),
		)
	}
	r := rehearse(t, []bson.D{insert("c", docs...)}, history)
	r.reset()
	a, err := r.applier(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	a.Limit = pieces(documents / 2)
	p, err := a.Run(t.Context(), r.begin(), func(p Progress) bool { return !p.OpTime.Before(r.end) })
	if err != nil {
		t.Fatal(err)
	}
	r.same("applied")
	if p.Refetched != rounds {
		t.Errorf("%d documents were read from the source, want the %d with a change below the top level", p.Refetched, rounds)
	}
	if p.SafeAfter.Before(r.end) {
		t.Errorf("documents that were read from the source may be newer than %s, the position says %s", r.end, p.SafeAfter)
	}
}

// TestForget: of documents that were read from the source nothing is known any more once
// the position has passed, also while others are read.
func TestForget(t *testing.T) {
	t.Parallel()
	a := &Applier{ahead: map[key]ahead{}}
	for n := range uint32(20 * manyAhead) {
		at := migration.OpTime{T: n}
		a.ahead[key{id: fmt.Sprint(n)}] = ahead{at, at}
		a.progress.OpTime = migration.OpTime{T: max(n, 100) - 100}
		a.forget()
		if len(a.ahead) > 2*manyAhead {
			t.Fatalf("%d documents are remembered, 100 are of use", len(a.ahead))
		}
	}
	if _, ok := a.ahead[key{id: fmt.Sprint(20*manyAhead - 50)}]; !ok {
		t.Error("one that is still ahead is forgotten")
	}
}

// TestForgetTooMany: of more documents than there is memory for nothing is known, but that
// any may be newer than its event.
func TestForgetTooMany(t *testing.T) {
	t.Parallel()
	a := &Applier{ahead: map[key]ahead{}, aheadUntil: migration.OpTime{T: 9}}
	for n := range maxAhead {
		a.ahead[key{id: fmt.Sprint(n)}] = ahead{a.aheadUntil, a.aheadUntil}
	}
	if a.forget(); len(a.ahead) > 0 || a.base != a.aheadUntil {
		t.Errorf("%d documents are remembered, any may be newer up to %s", len(a.ahead), a.base)
	}
}

// TestLanesReadAgain: a lane that needs more from the source than is held at once is
// written in pieces, in its order, in whatever order documents come; what was read for one
// change serves others.
func TestLanesReadAgain(t *testing.T) {
	t.Parallel()
	const documents, rounds = 9, 40
	pad := make([]byte, 9<<20)
	large := []bson.D{d("create", "capped", "capped", true, "size", 1<<28)}
	for i := range documents {
		large = append(large, insert("capped", d("_id", i, "below", d("n", 0), "pad", pad)))
	}
	hot := []bson.D{d("create", "hot", "collation", d("locale", "en", "strength", 1)), insert("hot", d("_id", "a", "below", d("n", 0)), d("_id", "b"))}
	var history []bson.D
	for i := range documents {
		history = append(history, insert("capped", d("_id", documents+i)),
			d("update", "capped", "updates", bson.A{d("q", d("_id", documents-1-i), "u", d("$set", d("below.n", i+1)))}))
	}
	for i := range rounds {
		history = append(history,
			d("update", "hot", "updates", bson.A{d("q", d("_id", "A"), "u", d("$set", d("below.n", i+1)))}),
			d("update", "hot", "updates", bson.A{d("q", d("_id", "b"), "u", d("$set", d("n", i)))}))
	}
	r := rehearse(t, append(large, hot...), history)
	r.reset()
	b := r.oneBatch()
	for _, repeated := range []bool{false, true} {
		a, err := r.applier(nil, repeated)
		must(t, err)
		a.progress = Progress{Position: r.begin()}
		if repeated { // as Run does it
			a.base, err = mongodb.ReadableOpTime(t.Context(), r.src)
			must(t, err)
		}
		must(t, a.take(t.Context(), b))
		r.same("applied")
		// What does not fit the first query is asked for twice; the hot ones are two.
		if n := a.progress.Refetched; n > 2*documents+2 {
			t.Errorf("%d documents were read from the source, %d are concerned", n, documents+2)
		}
	}
}

// oneBatch is all of the history, however the stream cuts it on a busy machine, without
// what other tests do: their catalog changes would cut it too.
func (r *rehearsal) oneBatch() (b readBatch) {
	r.t.Helper()
	ctx := r.t.Context()
	cursor, err := mongodb.OpenStream(ctx, r.src, r.start.ResumeToken, streamBatch)
	must(r.t, err)
	defer func() { must(r.t, cursor.Close(ctx)) }()
	for b.opTime.Before(r.end) {
		raw, err := cursor.Next(ctx)
		must(r.t, err)
		if len(raw.PostBatchToken) == 0 {
			continue
		}
		next, err := (&reader{}).take(raw)
		must(r.t, err)
		for _, e := range next.events {
			if e.namespace().DB == r.db {
				b.events = append(b.events, e)
			}
		}
		b.token, b.opTime = next.token, next.opTime
	}
	return b
}

// pieces is a limit that makes batches of so many events, and lets them through at once.
type pieces int

func (p pieces) Documents(int64) int { return int(p) }

func (p pieces) Wait(context.Context, int64, int64) error { return nil }
