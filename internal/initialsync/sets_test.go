package initialsync

import (
	"context"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/devstack"
	"mongoferry/internal/enginetest"
	"mongoferry/internal/mongodb"
)

// copyingOnSets is a collection that is to be copied between sets of three
// members, while something happens to them.
type copyingOnSets struct {
	*copying
	source, destination *devstack.ReplicaSet
}

// TestCopyOverElections: whatever happens to the primaries and to the cursor, one
// run of the copy brings every document once, those of a capped collection in
// their order.
func TestCopyOverElections(t *testing.T) {
	source, _ := enginetest.Set(t, "source")
	destination, _ := enginetest.Set(t, "destination")
	on := func(t *testing.T, documents int, options ...bson.E) *copyingOnSets {
		src, dst := enginetest.Dial(t, "source", source.URI()), enginetest.Dial(t, "destination", destination.URI())
		return &copyingOnSets{newCopyingOn(t, src, dst, shuffled(documents), options...), source, destination}
	}
	for _, tc := range []struct {
		name string
		// during says that it is to happen while a batch is being inserted, not
		// after one.
		during bool
		happen func(*copyingOnSets)
	}{
		{"destination steps down", true, (*copyingOnSets).stepDownDestination},
		{"destination dies", true, (*copyingOnSets).killDestination},
		{"source steps down", false, (*copyingOnSets).stepDownSource},
		{"cursor killed", false, (*copyingOnSets).killCursor},
	} {
		t.Run(tc.name, func(t *testing.T) {
			on(t, 8*batchSize).copyWhile(tc.during, tc.happen)
		})
		t.Run(tc.name+", capped", func(t *testing.T) {
			on(t, 8*batchSize, bson.E{Key: "capped", Value: true}, bson.E{Key: "size", Value: 1 << 26}).copyWhile(tc.during, tc.happen)
		})
	}
	t.Run("query killed", func(t *testing.T) { on(t, 10).killQuery() })
}

// shuffled is documents that are not inserted in the order of their _id.
func shuffled(n int) []any {
	docs := plain(n, 300)
	for i := range docs {
		docs[i] = d("_id", (i*7919)%n, "n", i, "pad", make([]byte, 300))
	}
	return docs
}

// copyWhile copies, and lets something happen after the first batch.
func (k *copyingOnSets) copyWhile(during bool, happen func(*copyingOnSets)) {
	k.t.Helper()
	var wg sync.WaitGroup
	once := sync.OnceFunc(func() {
		if during {
			wg.Go(func() { happen(k) })
		} else {
			happen(k)
		}
	})
	_, err := Copy(k.t.Context(), k.task(k.parts(1 << 30)[0], func(Progress) { once() }))
	wg.Wait()
	if err != nil {
		k.t.Fatal(err)
	}
	k.sameOnSets()
}

// sameOnSets is same, with connections of its own: an election ends others.
func (k *copyingOnSets) sameOnSets() {
	k.t.Helper()
	k.src, k.dst = enginetest.Dial(k.t, "source", k.source.URI()), enginetest.Dial(k.t, "destination", k.destination.URI())
	k.same()
}

// stepDownDestination makes the destination's primary step down in the middle of
// an insert.
func (k *copyingOnSets) stepDownDestination() {
	k.awaitOp(k.dst, d("op", "insert", "ns", k.ns.String()))
	if _, err := k.destination.StepDown(k.t.Context()); err != nil {
		k.t.Error(err)
	}
}

// killDestination kills the destination's primary in the middle of an insert.
func (k *copyingOnSets) killDestination() {
	primary, err := k.destination.Primary(k.t.Context())
	if err != nil {
		k.t.Error(err)
		return
	}
	k.awaitOp(k.dst, d("op", "insert", "ns", k.ns.String()))
	if err := primary.Kill(); err != nil {
		k.t.Error(err)
	}
	if _, err := k.destination.NextPrimary(k.t.Context(), primary); err != nil {
		k.t.Error(err)
	}
	if err := primary.Restart(k.t.Context()); err != nil {
		k.t.Error(err)
	}
}

func (k *copyingOnSets) stepDownSource() {
	if _, err := k.source.StepDown(k.t.Context()); err != nil {
		k.t.Error(err)
	}
}

// killCursor kills the cursor that the copy reads from, between two batches.
func (k *copyingOnSets) killCursor() {
	op := k.awaitOp(k.src, d("type", "idleCursor", "cursor.originatingCommand.find", k.c.UUID.Binary()))
	kill := d("killCursors", "c", "cursors", bson.A{op.Lookup("cursor", "cursorId")})
	reply, err := k.src.Run(k.t.Context(), k.ns.DB, kill)
	if killed, _ := reply.Lookup("cursorsKilled").ArrayOK(); err != nil || len(killed) <= 5 {
		k.t.Errorf("nothing was killed: %v %s", err, reply)
	}
}

// killQuery kills the find itself, which is held up: it asks for a time that no
// majority has yet.
func (k *copyingOnSets) killQuery() {
	k.t.Helper()
	ctx := k.t.Context()
	others, err := k.source.Secondaries(ctx)
	if err != nil {
		k.t.Fatal(err)
	}
	task := k.task(k.parts(1 << 30)[0], func(Progress) {})
	for _, m := range others {
		if err := m.Pause(); err != nil {
			k.t.Fatal(err)
		}
	}
	reply, err := k.src.Run(ctx, k.ns.DB, d("insert", "c", "documents", bson.A{d("_id", "late")}, "writeConcern", d("w", 1)))
	if err != nil {
		k.t.Fatal(err)
	}
	task.After.T, task.After.I = reply.Lookup("operationTime").Timestamp()
	ended := make(chan error, 1)
	go func() {
		_, err := Copy(context.WithoutCancel(ctx), task)
		ended <- err
	}()
	op := k.awaitOp(k.src, d("active", true, "command.find", k.c.UUID.Binary()))
	if _, err := k.src.Run(ctx, "admin", d("killOp", 1, "op", op.Lookup("opid"))); err != nil {
		k.t.Error(err)
	}
	for _, m := range others {
		if err := m.Continue(); err != nil {
			k.t.Error(err)
		}
	}
	if err := <-ended; err != nil {
		k.t.Fatal(err)
	}
	k.sameOnSets()
}

// awaitOp waits for an operation, or a cursor that waits for its next.
func (k *copyingOnSets) awaitOp(c *mongodb.Client, match bson.D) bson.Raw {
	for k.t.Context().Err() == nil {
		ops, err := mongodb.All(k.t.Context(), c, "admin", d("aggregate", 1, "cursor", d(), "pipeline", bson.A{
			d("$currentOp", d("idleCursors", true)), d("$match", match)}))
		if err != nil {
			k.t.Errorf("look for %v: %v", match, err)
			return nil
		}
		if len(ops) > 0 {
			return ops[0]
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}
