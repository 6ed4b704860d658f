package bench

import (
	"math"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/enginetest"
)

// TestProportions: a history holds what its mix says, hot documents get their share,
// and no operation is on a document that is not there.
func TestProportions(t *testing.T) {
	t.Parallel()
	const documents, operations = 20_000, 40_000
	hot := mixed
	hot.hot = 90
	for name, m := range map[string]mix{"mixed": mixed, "hot": hot, "hot updates": {update: 100, hot: 90}} {
		counts, hotUpdates := map[kind]float64{}, 0.0
		seen := map[int64]bool{}
		for i := range int64(authors) {
			a := newAuthor(m, documents, i, authors)
			there := map[int64]bool{}
			for n := i; n < documents; n += authors {
				there[n] = true
			}
			for range operations / authors {
				op := a.operation()
				counts[op.kind]++
				if op.kind == inserting {
					if there[op.n] || seen[op.n] {
						t.Fatalf("%s: document %d is inserted twice", name, op.n)
					}
					there[op.n], seen[op.n] = true, true
					continue
				}
				if !there[op.n] || op.n%authors != i {
					t.Fatalf("%s: author %d changes document %d, which is not there or another's", name, i, op.n)
				}
				if op.kind == update && op.n < documents*hotShare/100 {
					hotUpdates++
				}
				if op.kind == remove {
					delete(there, op.n)
				}
			}
		}
		for k, want := range map[kind]int{update: m.update, inserting: m.insert, replace: m.replace, remove: m.remove} {
			if got := counts[k] / operations * 100; math.Abs(got-float64(want)) > 1 {
				t.Errorf("%s: kind %d is %.1f%%, want %d%%", name, k, got, want)
			}
		}
		if got := hotUpdates / counts[update] * 100; math.Abs(got-float64(max(m.hot, hotShare))) > 1.5 {
			t.Errorf("%s: %.1f%% of the updates are on hot documents, want %d%%", name, got, m.hot)
		}
	}
}

// TestDocuments: the documents are valid, of the size asked for, the same each time, in
// ascending order of _id, and no easier to compress than text.
func TestDocuments(t *testing.T) {
	t.Parallel()
	for _, size := range []int{200, 400, 1000, 50_000} {
		a, b := newMaker(7, size), newMaker(7, size)
		last := ""
		for n := range int64(2000) {
			doc := bson.Raw(a.document(nil, n*100))
			if err := doc.Validate(); err != nil {
				t.Fatal(err)
			}
			if string(doc) != string(b.document(nil, n*100)) {
				t.Fatal("the same seed made another document")
			}
			if math.Abs(float64(len(doc)-size)) > 0.03*float64(size)+6 {
				t.Fatalf("a document of %d bytes has %d", size, len(doc))
			}
			id := doc.Lookup("_id").ObjectID()
			if string(id[:]) <= last {
				t.Fatalf("_id %d is not above the one before", n)
			}
			last = string(id[:])
		}
	}
}

// TestReplays: each way of replaying a history ends in what the source holds. Not
// parallel with others on these servers: there is one database to measure with.
func TestReplays(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := &rig{source: enginetest.Source(t), destination: enginetest.Destination(t)}
	hot := mixed
	hot.hot = 90
	p, err := r.writeStory(ctx, story{mix: hot, documents: 400, operations: 2000})
	if err != nil {
		t.Fatal(err)
	}
	// Several kinds of change to one document close together.
	for range 3 {
		doc := bson.D{{Key: "_id", Value: bson.ObjectID{1}}, {Key: "a", Value: 1}, {Key: "b", Value: 1}}
		q := bson.D{{Key: "_id", Value: bson.ObjectID{1}}}
		enginetest.Run(t, r.source, database, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{doc}}})
		enginetest.Run(t, r.source, database, bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: q},
			{Key: "u", Value: bson.D{{Key: "$unset", Value: bson.D{{Key: "a", Value: 1}}}, {Key: "$set", Value: bson.D{{Key: "b", Value: 2}}}}}}}}})
		enginetest.Run(t, r.source, database, bson.D{{Key: "delete", Value: "c"}, {Key: "deletes", Value: bson.A{bson.D{{Key: "q", Value: q}, {Key: "limit", Value: 1}}}}})
	}
	if p.end, err = note(ctx, r.source); err != nil {
		t.Fatal(err)
	}
	j := job{ID: replayID, Token: p.start.ResumeToken, Start: p.start.OpTime, End: p.end}
	for name, replay := range map[string]func() (outcome, error){
		jobRaw:    func() (outcome, error) { return replayRaw(ctx, r.source, r.destination, j) },
		jobReplay: func() (outcome, error) { return replayAlone(ctx, r.source, r.destination, j) },
	} {
		if err := p.goBack(ctx); err != nil {
			t.Fatal(err)
		}
		if p.same(ctx) == nil {
			t.Fatal("before the replay both sides are the same already")
		}
		o, err := replay()
		if err == nil {
			err = p.same(ctx)
		}
		if err != nil || o.Events != 2009 {
			t.Errorf("%s: %d events, %v", name, o.Events, err)
		}
	}
	if o, err := readStream(ctx, r.source, j); err != nil || o.Events != 2009 {
		t.Errorf("%s: %d events, %v", jobStream, o.Events, err)
	}
}

// TestProbes: every probe arrives, and its lag is counted once.
func TestProbes(t *testing.T) {
	t.Parallel()
	now := time.Now()
	p := &probes{written: map[int64]time.Time{1: now.Add(-3 * time.Second), 2: now.Add(-2 * time.Second), 3: now.Add(-time.Second)}}
	lags := p.arrived(2, 4, now.Add(-1500*time.Millisecond))
	if len(lags) != 2 || lags[0] < 1000 || lags[0] > 2000 || lags[1] != 0 {
		t.Errorf("lags %v: want that of the third, and none for the fourth, whose answer is still to come", lags)
	}
}
