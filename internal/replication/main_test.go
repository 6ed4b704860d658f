package replication

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.uber.org/zap"

	"mongoferry/internal/catalog"
	"mongoferry/internal/devstack"
	"mongoferry/internal/enginetest"
	"mongoferry/internal/initialsync"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/namespace"
	"mongoferry/internal/ownership"
	"mongoferry/internal/partition"
	"mongoferry/internal/scenario"
)

func TestMain(m *testing.M) { os.Exit(devstack.Main(m)) }

// rehearsal is a piece of the source's history, from a start point to its end,
// that can be applied to a destination again and again. It lives in the
// databases of a scenario.
type rehearsal struct {
	t        testing.TB
	db, meta string
	src, dst *mongodb.Client
	filter   namespace.Filter
	start    catalog.Start
	before   map[catalog.UUID][]bson.Raw
	end      migration.OpTime
	resets   int
	writers  int
}

// rehearse runs commands on the test's database of the source: those before the
// start point, and those of the history.
func rehearse(t *testing.T, before, history []bson.D) *rehearsal {
	t.Helper()
	return rehearseOn(t, enginetest.Source(t), enginetest.Destination(t), before, history)
}

// rehearseOn is rehearse between other servers.
func rehearseOn(t *testing.T, src, dst *mongodb.Client, before, history []bson.D) *rehearsal {
	t.Helper()
	r := newRehearsal(t, databaseOf(t))
	r.src, r.dst = src, dst
	r.live(func() { r.run(before) }, func() { r.run(history) })
	return r
}

func newRehearsal(t testing.TB, db string) *rehearsal {
	t.Helper()
	r := &rehearsal{t: t, db: db, meta: db + "_meta", writers: 2, before: map[catalog.UUID][]bson.Raw{}}
	r.src, r.dst = enginetest.Source(t), enginetest.Destination(t)
	var err error
	if r.filter, err = namespace.Parse(scenario.Databases(db), []string{db + ".outside"}, r.meta); err != nil {
		t.Fatal(err)
	}
	return r
}

// live makes the history, with the start point between before and history.
func (r *rehearsal) live(before, history func()) {
	r.t.Helper()
	before()
	var err error
	if r.start, err = catalog.ReadConsistent(r.t.Context(), r.src, r.filter); err != nil {
		r.t.Fatal(err)
	}
	for _, c := range r.start.Collections {
		r.before[c.UUID] = documents(r.t, r.src, stored(c))
	}
	history()
	if r.end, err = mongodb.AppendNote(r.t.Context(), r.src, "end"); err != nil {
		r.t.Fatal(err)
	}
}

// databaseOf makes a database's name of a test's.
func databaseOf(t *testing.T) string {
	name := []byte("t_" + t.Name())
	for i, b := range name {
		if b == '/' || b == ' ' || b == '.' || b == '$' {
			name[i] = '_'
		}
	}
	return string(name[:min(len(name), 50)])
}

// run sends each command; one that names its database with $db goes there.
func (r *rehearsal) run(commands []bson.D) {
	r.t.Helper()
	for _, command := range commands {
		db := r.db
		if last := command[len(command)-1]; last.Key == "$db" {
			db, command = last.Value.(string), command[:len(command)-1]
		}
		enginetest.Run(r.t, r.src, db, command)
	}
}

// documents reads all of a collection, capped ones in the order of insertion.
func documents(t testing.TB, c *mongodb.Client, ns migration.Namespace) []bson.Raw {
	t.Helper()
	docs, err := mongodb.All(t.Context(), c, ns.DB, bson.D{{Key: "find", Value: ns.Collection}, {Key: "sort", Value: bson.D{{Key: "$natural", Value: 1}}}})
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

// stored is where a collection's documents are.
func stored(c catalog.Collection) migration.Namespace {
	return migration.Namespace{DB: c.NS.DB, Collection: c.Storage()}
}

// reset makes the destination what the source was at the start point.
func (r *rehearsal) reset() *ownership.Ledger {
	r.t.Helper()
	ctx := r.t.Context()
	for _, db := range append(scenario.Databases(r.db), r.meta) {
		if _, err := r.dst.Run(ctx, db, bson.D{{Key: "dropDatabase", Value: 1}, mongodb.Durable()}); err != nil {
			r.t.Fatal(err)
		}
	}
	ledger := ownership.NewLedger(r.dst, r.meta, r.db)
	if err := ledger.Claim(ctx, "source", "run"); err != nil {
		r.t.Fatal(err)
	}
	cols := catalog.NewMap(r.dst, r.meta)
	r.resets++
	slot := mongodb.NewSlot(r.dst, zap.NewNop(), r.meta, fmt.Sprintf("copy %s %d", r.db, r.resets), 1)
	if err := slot.Take(ctx); err != nil {
		r.t.Fatal(err)
	}
	for _, c := range r.start.Collections {
		var err error
		if c.Dest, err = catalog.Create(ctx, r.dst, c); err != nil {
			r.t.Fatal(err)
		}
		if err := cols.Put(ctx, c); err != nil {
			r.t.Fatal(err)
		}
		if c.HasDocuments() {
			r.copy(slot, c)
		}
		if _, err := catalog.BuildIndexes(ctx, r.dst, c); err != nil {
			r.t.Fatal(err)
		}
	}
	return ledger
}

// copy inserts a collection's documents as they were at the start point, one
// command for every few of them.
func (r *rehearsal) copy(slot *mongodb.Slot, c catalog.Collection) {
	r.t.Helper()
	const some = 1000
	for docs := r.before[c.UUID]; len(docs) > 0; {
		n, size := 0, 0
		array := bsoncore.NewArrayBuilder()
		for n < len(docs) && n < some && (n == 0 || size+len(docs[n]) < 8<<20) {
			array.AppendDocument(bsoncore.Document(docs[n]))
			size += len(docs[n])
			n++
		}
		b := bsoncore.NewDocumentBuilder().AppendString("insert", c.Storage()).AppendArray("documents", array.Build())
		slot.AppendOptions(b)
		reply, err := slot.Write(r.t.Context(), c.NS.DB, bson.Raw(b.Build()))
		if err != nil || len(reply.Errors) > 0 {
			r.t.Fatalf("insert into %s: %v %v", c.NS, err, reply.Errors)
		}
		docs = docs[n:]
	}
}

// applier is a new attempt; gate, when not nil, may stop it.
func (r *rehearsal) applier(gate migration.Gate, repeated bool) (*Applier, error) {
	dst := r.dst
	if gate != nil {
		dst = dst.WithGate(gate)
	}
	ledger := ownership.NewLedger(dst, r.meta, r.db)
	attempt, err := ledger.Begin(r.t.Context(), ownership.LaneReplication)
	if err != nil {
		return nil, err
	}
	return New(r.t.Context(), Config{
		Source: r.src, Destination: dst, Log: zap.NewNop(), Map: catalog.NewMap(dst, r.meta), Filter: r.filter,
		Ledger: ledger, Lane: ownership.LaneReplication, Attempt: attempt, Repeated: repeated, MetaDB: r.meta, Writers: r.writers,
		Copier: copier{r.src, dst, mongodb.NewSlot(dst, zap.NewNop(), r.meta, attempt.SlotName("adopt"), attempt.Epoch)},
	})
}

// copier is what the activities give an applier.
type copier struct {
	src, dst *mongodb.Client
	slot     *mongodb.Slot
}

func (c copier) Copy(ctx context.Context, m *catalog.Map, col catalog.Collection, after migration.OpTime) (migration.OpTime, error) {
	_, err := initialsync.Copy(ctx, initialsync.Task{
		Source: c.src, Destination: c.dst, Log: zap.NewNop(), Map: m, Part: partition.Whole(col), After: after,
		Slots: []*mongodb.Slot{c.slot}, Progress: func(initialsync.Progress) {},
	})
	if err != nil {
		return migration.OpTime{}, err
	}
	return mongodb.ReadableOpTime(ctx, c.src)
}

// apply applies the history from its start. SafeAfter is as after a copy that
// ended with the history: documents may be newer than their events.
func (r *rehearsal) apply(gate migration.Gate, repeated bool) (Progress, error) {
	return r.applyFrom(r.begin(), gate, repeated)
}

// applyTwice applies the history, through a gate if one is given, and then again
// from its start, as an attempt does that knows of no other; both sides are to be
// equal each time.
func (r *rehearsal) applyTwice(gate migration.Gate) {
	r.t.Helper()
	for _, when := range []string{"once", "again"} {
		if _, err := r.apply(gate, when == "again"); err != nil {
			r.t.Fatalf("%s: %v", when, err)
		}
		r.same(when)
		gate = nil
	}
}

func (r *rehearsal) begin() Position {
	return Position{ResumeToken: r.start.ResumeToken, OpTime: r.start.OpTime}
}

func (r *rehearsal) applyFrom(from Position, gate migration.Gate, repeated bool) (Progress, error) {
	a, err := r.applier(gate, repeated)
	if err != nil {
		return Progress{Position: from}, err
	}
	return a.Run(r.t.Context(), from, func(p Progress) bool { return !p.OpTime.Before(r.end) })
}

// same wants both sides to be equal: documents as bytes, catalogs as they should
// be while the sync goes on.
func (r *rehearsal) same(when string) {
	r.t.Helper()
	cols := catalog.NewMap(r.dst, r.meta)
	if err := cols.Load(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	diffs, err := catalog.Compare(r.t.Context(), r.src, r.dst, r.filter, cols)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, d := range diffs {
		r.t.Errorf("%s: %s", when, d)
	}
	for _, side := range []*mongodb.Client{r.src, r.dst} {
		other := map[*mongodb.Client]*mongodb.Client{r.src: r.dst, r.dst: r.src}[side]
		cols, err := catalog.Read(r.t.Context(), side, r.filter)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, c := range cols {
			if c.HasDocuments() {
				r.sameDocuments(when, c, side, other)
			}
		}
	}
}

func (r *rehearsal) sameDocuments(when string, c catalog.Collection, a, b *mongodb.Client) {
	r.t.Helper()
	x, y := documents(r.t, a, stored(c)), documents(r.t, b, stored(c))
	if len(x) != len(y) {
		r.t.Errorf("%s: %s has %d documents on the %s and %d on the %s", when, c.NS, len(x), a.Name(), len(y), b.Name())
	}
	there := byIDs(y)
	for id, doc := range byIDs(x) {
		if !bytes.Equal(there[id], doc) {
			r.t.Errorf("%s: %s: %.200s\n%s: %s\n%s: %s", when, c.NS, id, a.Name(), doc, b.Name(), there[id])
		}
	}
	if c.Capped() && !slices.EqualFunc(x, y, func(v, w bson.Raw) bool { return bytes.Equal(v, w) }) {
		r.t.Errorf("%s: %s is in another order", when, c.NS)
	}
}

// byIDs finds documents by the bytes of their _id: as text, {"": 1} is {}.
func byIDs(docs []bson.Raw) map[string]bson.Raw {
	out := map[string]bson.Raw{}
	for _, doc := range docs {
		id := doc.Lookup("_id")
		out[fmt.Sprintf("%s %s %x", id, id.Type, id.Value)] = doc
	}
	return out
}

// serialGate makes a gate safe for several writers.
type serialGate struct {
	mu   sync.Mutex
	gate migration.Gate
}

func (g *serialGate) Check() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.gate.Check()
}
