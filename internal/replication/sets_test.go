package replication

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/catalog"
	"mongoferry/internal/devstack"
	"mongoferry/internal/enginetest"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// must fails the test.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// steadily runs commands again over elections; those that are there already are
// fine.
func (r *rehearsal) steadily(list ...bson.D) {
	r.t.Helper()
	for _, command := range list {
		err := mongodb.Retry(r.t.Context(), zap.NewNop(), "history", func() error {
			_, err := r.src.Run(r.t.Context(), r.db, append(command, mongodb.Durable()))
			return err
		})
		must(r.t, err)
	}
}

// following is an applier at work while things happen to its servers.
type following struct {
	r     *rehearsal
	end   atomic.Uint64
	ended chan error
}

// follow starts to apply from the start point, until finish.
func (r *rehearsal) follow(gate migration.Gate) *following {
	r.t.Helper()
	f := &following{r: r, ended: make(chan error, 1)}
	a, err := r.applier(gate, false)
	must(r.t, err)
	go func() {
		_, err := a.Run(r.t.Context(), r.begin(), func(p Progress) bool {
			end := f.end.Load()
			return end > 0 && uint64(p.OpTime.T)<<32|uint64(p.OpTime.I) >= end
		})
		f.ended <- err
	}()
	return f
}

// finish wants the applier, which was never started anew, to come to the end.
func (f *following) finish() {
	f.r.t.Helper()
	err := mongodb.Retry(f.r.t.Context(), zap.NewNop(), "end", func() error {
		end, err := mongodb.AppendNote(f.r.t.Context(), f.r.src, "end")
		f.end.Store(uint64(end.T)<<32 | uint64(end.I))
		return err
	})
	must(f.r.t, err)
	must(f.r.t, <-f.ended)
	f.r.same("in the end")
}

// untilThere waits for a document on the destination.
func (r *rehearsal) untilThere(coll string, id any) {
	r.t.Helper()
	for r.t.Context().Err() == nil {
		found, err := mongodb.All(r.t.Context(), r.dst, r.db, bson.D{e("find", coll), e("filter", d("_id", id))})
		if err == nil && len(found) == 1 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	r.t.Fatalf("%v never came to %s", id, coll)
}

// isolate kills all members but the primary, which takes writes on until it misses
// them. (Paused, they would still find in their sockets what it had sent.)
func isolate(t *testing.T, set *devstack.ReplicaSet) (primary *devstack.Member, others []*devstack.Member) {
	t.Helper()
	primary, err := set.Primary(t.Context())
	must(t, err)
	others, err = set.Secondaries(t.Context())
	must(t, err)
	for _, m := range others {
		must(t, m.Kill())
	}
	return primary, others
}

// rollBack kills the primary that was isolated, lets the others elect one, and
// brings it back to roll back what only it had.
func rollBack(t *testing.T, set *devstack.ReplicaSet, primary *devstack.Member, others []*devstack.Member, meanwhile func()) {
	t.Helper()
	must(t, primary.Kill())
	restart(t, others)
	_, err := set.NextPrimary(t.Context(), primary)
	must(t, err)
	meanwhile()
	must(t, primary.Restart(t.Context()))
}

// restart starts members together: alone, none would find a majority.
func restart(t *testing.T, members []*devstack.Member) {
	t.Helper()
	var group errgroup.Group
	for _, m := range members {
		group.Go(func() error { return m.Restart(t.Context()) })
	}
	must(t, group.Wait())
}

// TestSourceRollsBack: what the source wrote and rolled back, documents and
// catalog changes, never comes to the destination; the stream goes on.
func TestSourceRollsBack(t *testing.T) {
	set, src := enginetest.Set(t, "source")
	r := rehearseOn(t, src, enginetest.Destination(t), commands(insert("c", d("_id", 1)), insert("kept", d("_id", 1)))(""), nil)
	r.reset()
	f := r.follow(nil)
	r.steadily(insert("c", d("_id", "before")))
	r.untilThere("c", "before")
	primary, others := isolate(t, set)
	direct := enginetest.Dial(t, "source", primary.URI())
	for _, command := range []bson.D{
		insert("c", d("_id", "phantom")), update("c", 1, d("$set", d("phantom", 1))), create("phantom"), insert("phantom", d("_id", 1)), drop("kept"),
		append(index("c", "phantom", d("x", 1)), e("commitQuorum", 0)),
	} {
		_, err := direct.Run(t.Context(), r.db, append(command, e("writeConcern", d("w", 1))))
		must(t, err)
	}
	rollBack(t, set, primary, others, func() {
		r.steadily(insert("c", d("_id", "after")), update("c", 1, d("$set", d("a.b", 1))), append(index("c", "real", d("y", 1)), e("commitQuorum", "majority")), insert("phantom", d("_id", "another")))
	})
	f.finish()
	seen, err := mongodb.All(t.Context(), r.dst, "local", bson.D{e("find", "oplog.rs"), e("filter", d("ns", bson.Regex{Pattern: "^" + r.db + `\.`}))})
	must(t, err)
	for _, op := range seen {
		if text := op.String(); strings.Contains(text, `"phantom":`) || strings.Contains(text, `"_id": "phantom"`) || strings.Contains(text, `"name": "phantom"`) {
			t.Errorf("came to the destination: %s", text)
		}
	}
}

// TestSourceElections: the stream and refetches go on over a step-down, a death
// and a lagging member; while there is no majority they wait.
func TestSourceElections(t *testing.T) {
	set, src := enginetest.Set(t, "source")
	r := rehearseOn(t, src, enginetest.Destination(t), commands(insert("c", d("_id", 1)))(""), nil)
	r.reset()
	f := r.follow(nil)
	write := func(n int) {
		t.Helper()
		r.steadily(insert("c", d("_id", fmt.Sprint("n", n))), update("c", 1, d("$set", d("deep.er", n))), index("c", fmt.Sprint("i", n), d(fmt.Sprint("f", n), 1)))
	}
	write(0)
	_, err := set.StepDown(t.Context())
	must(t, err)
	write(1)
	primary, err := set.Primary(t.Context())
	must(t, err)
	must(t, primary.Kill())
	r.steadily(insert("c", d("_id", "while one is dead"))) // the others are a majority
	must(t, primary.Restart(t.Context()))
	write(2)
	others, err := set.Secondaries(t.Context())
	must(t, err)
	must(t, others[0].Pause())
	r.steadily(insert("c", d("_id", "one lags")))
	r.untilThere("c", "one lags")
	must(t, others[0].Continue())
	write(3)
	f.finish()
}

// onCommand is a gate that does something before the n-th command.
type onCommand struct {
	n, at atomic.Int64
	do    func()
}

func (g *onCommand) Check() error {
	if g.n.Add(1) == g.at.Load() {
		g.do()
	}
	return nil
}

// TestDestinationRollsBack: at several commands, each in turn, the destination's
// primary loses its majority, takes what it can, dies and rolls that back. One
// applier goes on through it all, and each change has its effect once.
func TestDestinationRollsBack(t *testing.T) {
	set, dst := enginetest.Set(t, "destination")
	r := rehearseOn(t, enginetest.Source(t), dst, commands(insert("c", d("_id", 1, "l", bson.A{})), index("c", "u", d("u", 1), e("unique", true), e("sparse", true)))(""),
		commands(insert("c", d("_id", 2)), update("c", 1, d("$push", d("l", 1))), create("new"), insert("new", d("_id", 1)), index("c", "x", d("x", 1)),
			bson.D{e("dropIndexes", "c"), e("index", "u")}, drop("new"), update("c", 2, d("$set", d("z", 1))))(""))
	for _, at := range []int64{5, 13, 17} {
		t.Run(fmt.Sprint("command ", at), func(t *testing.T) {
			r.reset()
			gate := &onCommand{}
			var back chan struct{}
			defer func() {
				if back != nil {
					<-back
				}
			}()
			gate.do = func() {
				primary, others := isolate(t, set)
				back = make(chan struct{})
				go func() {
					defer close(back)
					awaitUnsettled(t, primary)
					rollBack(t, set, primary, others, func() {})
				}()
			}
			a, err := r.applier(gate, false)
			must(t, err)
			gate.at.Store(gate.n.Load() + at)
			_, err = a.Run(t.Context(), r.begin(), func(p Progress) bool { return !p.OpTime.Before(r.end) })
			must(t, err)
			if back == nil {
				t.Fatalf("only %d commands: nothing was rolled back", gate.n.Load())
			}
			<-back
			r.same("after the rollback")
		})
	}
}

// awaitUnsettled waits until a member holds something that no majority has, or,
// when nothing is being written, gives up being primary.
func awaitUnsettled(t *testing.T, m *devstack.Member) {
	for t.Context().Err() == nil {
		hello, err := m.Run(t.Context(), d("hello", 1))
		if err != nil {
			t.Error(err)
			return
		}
		writable, _ := hello.Lookup("isWritablePrimary").BooleanOK()
		if !writable || !hello.Lookup("lastWrite", "opTime", "ts").Equal(hello.Lookup("lastWrite", "majorityOpTime", "ts")) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestMapIsReadSettled: the catalog map is not read as of before something that
// the primary holds: a majority is waited for.
func TestMapIsReadSettled(t *testing.T) {
	set, dst := enginetest.Set(t, "destination")
	r := rehearseOn(t, enginetest.Source(t), dst, commands(create("c"))(""), nil)
	r.reset()
	primary, others := isolate(t, set)
	direct := enginetest.Dial(t, "destination", primary.URI())
	_, err := direct.Run(t.Context(), r.meta, bson.D{e("update", "catalog"), e("updates", bson.A{bson.D{
		e("q", d("_id", "last change")), e("u", d("token", "late")), e("upsert", true)}}), e("writeConcern", d("w", 1))})
	must(t, err)
	loaded := make(chan error, 1)
	cols := catalog.NewMap(direct, r.meta)
	go func() { loaded <- cols.Load(context.WithoutCancel(t.Context())) }()
	restart(t, others)
	if err := <-loaded; err != nil {
		if mongodb.IsTransient(err) {
			t.Skip("the set elected another primary meanwhile") // too slow a machine to tell
		}
		t.Fatal(err)
	}
	if !cols.Holds("late") {
		t.Error("the map is that of before the last change")
	}
}

// TestCursorsKilled: the stream's cursor and those of refetches are killed, also
// by the server's impatience while the destination stands still.
func TestCursorsKilled(t *testing.T) {
	set := devstack.NewReplicaSet(t, devstack.ReplicaSetOptions{Name: "source"})
	src := enginetest.Dial(t, "source", set.URI())
	r := rehearseOn(t, src, enginetest.Destination(t), commands(insert("c", d("_id", 1)))(""), nil)
	r.reset()
	gate := &onCommand{}
	f := r.follow(gate)
	for n, kill := range []func(op bson.Raw){
		func(op bson.Raw) {
			_, err := src.Run(t.Context(), "admin", bson.D{e("killOp", 1), e("op", op.Lookup("opid"))})
			must(t, err)
		},
		func(op bson.Raw) {
			_, err := src.Run(t.Context(), "admin", bson.D{e("killCursors", "$cmd.aggregate"), e("cursors", bson.A{op.Lookup("cursor", "cursorId")})})
			must(t, err)
		},
		func(bson.Raw) {
			_, err := src.Run(t.Context(), "admin", bson.D{e("killAllSessions", bson.A{})})
			must(t, err)
		},
	} {
		kill(streamCursor(t, src, d("active", true)))
		r.steadily(insert("c", d("_id", fmt.Sprint("n", n))))
		r.untilThere("c", fmt.Sprint("n", n))
	}
	for _, p := range []bson.D{d("setParameter", 1, "clientCursorMonitorFrequencySecs", 1), d("setParameter", 1, "cursorTimeoutMillis", 200)} {
		_, err := src.Run(t.Context(), "admin", p)
		must(t, err)
	}
	// The reader reads ahead by some batches and is then held up by the writers.
	gate.do = func() { awaitNoStream(t, src) }
	gate.at.Store(gate.n.Load() + 1)
	for from := 0; from < 45_000; from += 5000 {
		docs := make([]bson.D, 5000)
		for i := range docs {
			docs[i] = d("_id", from+i+10)
		}
		r.steadily(insert("c", docs...))
	}
	f.finish()
}

// streamCursor finds the change stream's getMore on the source.
func streamCursor(t *testing.T, src *mongodb.Client, state bson.D) bson.Raw {
	t.Helper()
	for t.Context().Err() == nil {
		if ops := streams(t, src, state); len(ops) > 0 {
			return ops[0]
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatal("no change stream is open")
	return nil
}

func streams(t *testing.T, src *mongodb.Client, state bson.D) []bson.Raw {
	match := append(bson.D{e("cursor.originatingCommand.pipeline.$changeStream", d("$exists", true))}, state...)
	match[0].Key = "cursor.tailable"
	match[0].Value = true
	ops, err := mongodb.All(t.Context(), src, "admin", bson.D{e("aggregate", 1), e("cursor", d()), e("pipeline", bson.A{
		d("$currentOp", d("idleCursors", true, "allUsers", true)), bson.D{e("$match", match)}})})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	return ops
}

// awaitNoStream waits until the server has ended the stream's cursor by itself.
func awaitNoStream(t *testing.T, src *mongodb.Client) {
	for t.Context().Err() == nil && len(streams(t, src, nil)) > 0 {
		time.Sleep(20 * time.Millisecond)
	}
}

// cursorKiller is a gate before the source that kills cursors of refetches, so
// many of them, each before its next command.
type cursorKiller struct {
	r    *rehearsal
	src  *mongodb.Client
	mu   sync.Mutex
	left int
}

func (g *cursorKiller) Check() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left == 0 {
		return nil
	}
	ctx := g.r.t.Context()
	ops, err := mongodb.All(ctx, g.src, "admin", bson.D{e("aggregate", 1), e("cursor", d()), e("pipeline", bson.A{
		d("$currentOp", d("idleCursors", true)),
		d("$match", d("type", "idleCursor", "cursor.originatingCommand.$db", g.r.db, "cursor.originatingCommand.filter._id", d("$exists", true)))})})
	if err != nil {
		g.r.t.Errorf("look for cursors: %v", err)
		return nil
	}
	for _, op := range ops {
		g.left--
		if _, err := g.src.Run(ctx, g.r.db, bson.D{e("killCursors", "c"), e("cursors", bson.A{op.Lookup("cursor", "cursorId")})}); err != nil {
			g.r.t.Errorf("kill a cursor: %v", err)
		}
	}
	return nil
}

// TestRefetchCursorKilled: what is read again is read from the beginning.
func TestRefetchCursorKilled(t *testing.T) {
	t.Parallel()
	var before, history []bson.D
	for i := range 300 {
		before = append(before, insert("c", d("_id", i, "a", d("b", 0))))
		history = append(history, update("c", i, d("$set", d("a.b", i))))
	}
	// A source of its own: the stream's batches are full of what other tests write.
	source := devstack.NewReplicaSet(t, devstack.ReplicaSetOptions{Name: "source"})
	r := rehearseOn(t, enginetest.Dial(t, "source", source.URI()), enginetest.Destination(t), before, history)
	killer := &cursorKiller{r: r, src: r.src, left: 2}
	r.src = r.src.WithGate(killer)
	// A batch that holds but a few of them is read with one reply: then once more.
	for tries := 0; killer.left > 0 && tries < 10; tries++ {
		r.reset()
		if _, err := r.apply(nil, false); err != nil {
			t.Fatal(err)
		}
	}
	if killer.left > 0 {
		t.Fatalf("%d cursors were still to be killed", killer.left)
	}
	r.same("after the cursors were killed")
}

// TestEmptyTimestamps: a destination of an early patch level, which puts the present time
// in place of an empty timestamp, gets it all the same, in whatever way it came there.
func TestEmptyTimestamps(t *testing.T) {
	t.Parallel()
	old := devstack.NewOldReplicaSet(t)
	never := bson.Timestamp{}
	for name, create := range map[string]bson.D{"plain": d("create", "c"), "capped": d("create", "c", "capped", true, "size", 1<<20)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			history := []bson.D{
				update("c", 1, d("$set", d("at", never))),
				insert("c", d("_id", 2, "n", 0)), update("c", 2, d("$set", d("at", never))),
				update("c", 3, bson.A{d("$replaceWith", d("$literal", d("_id", 3, "at", never, "n", d("at", never))))}),
				update("c", 4, d("$set", d("n.at", never))), update("c", 4, d("$set", d("at", never, "m", never))),
				insert("c", d("_id", 6, "$a", 1)), update("c", 6, d("$set", d("at", never))),
				update("c", 5, bson.A{d("$replaceWith", d("$literal", d("_id", 5, "now", bson.Timestamp{T: 1}, "at", never)))}),
			}
			r := rehearseOn(t, enginetest.Source(t), enginetest.Dial(t, "destination", old.URI()), []bson.D{create, insert("c", d("_id", 1), d("_id", 5))}, history)
			r.reset()
			r.applyTwice(nil)
		})
	}
}
