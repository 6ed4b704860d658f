package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"mongoferry/internal/migration"
)

// cancel asks for the end of a migration.
func (s *stack) cancel(id string) {
	s.t.Helper()
	if code, _, errs := s.starter("cancel", id, "--yes", "--no-wait"); code != 0 {
		s.t.Fatalf("cancel: exit code %d: %s", code, errs)
	}
}

// awaitEnd waits for the end that starter watch sees, and gives its last words.
func (s *stack) awaitEnd(id string, phase migration.Phase) {
	s.t.Helper()
	code, out, errs := s.starter("watch", id)
	if (code == 0) != (phase == migration.Completed) {
		s.t.Fatalf("watch: exit code %d: %s%s", code, out, errs)
	}
	if st, err := s.status(id); err != nil || st.Phase != phase {
		s.t.Fatalf("it has ended as %s, want %s: %+v, %v", st.Phase, phase, st, err)
	}
}

// TestCancelWithoutWorker: nothing was begun, nothing is to be undone.
func TestCancelWithoutWorker(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	fill(t, s.source, 1000)
	s.start(s.spec("c"))
	s.cancel("c")
	s.worker()
	s.awaitEnd("c", migration.Canceled)
	s.leftNothing()
	s.destinationIsEmpty()
}

// TestCancelPreparing holds the destination with fsyncLock while it is prepared.
func TestCancelPreparing(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	fill(t, s.source, 1000)
	lock := func(name string) {
		t.Helper()
		if err := s.dest.Database("admin").RunCommand(context.Background(), bson.D{{Key: name, Value: 1}, {Key: "lock", Value: true}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	lock("fsync")
	s.worker()
	s.start(s.spec("c"))
	s.awaitPhase("c", migration.Preparing)
	s.cancel("c")
	if err := s.dest.Database("admin").RunCommand(context.Background(), bson.D{{Key: "fsyncUnlock", Value: 1}}).Err(); err != nil {
		t.Fatal(err)
	}
	s.awaitEnd("c", migration.Canceled)
	s.leftNothing()
}

// TestCancel cancels in each phase that a worker is busy in, under writes.
func TestCancel(t *testing.T) {
	t.Parallel()
	for _, phase := range []migration.Phase{migration.Copying, migration.CatchingUp, migration.Ready} {
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			o := newOrdeal(t, "c", 60_000)
			o.reach(phase)
			o.cancel("c")
			o.awaitEnd("c", migration.Canceled)
			o.leftNothing()
			if phase == migration.Copying {
				o.record("c", "canceled")
			}
		})
	}
}

// TestCancelPaused: a migration that waits for a resume hears the cancel.
func TestCancelPaused(t *testing.T) {
	t.Parallel()
	o := newOrdeal(t, "c", 20_000)
	o.reach(migration.Ready)
	o.mustUpdate("c", migration.MessagePause)
	o.cancel("c")
	o.awaitEnd("c", migration.Canceled)
	o.leftNothing()
}

// TestCancelBeforeTheFence cancels while the cutover waits for a transaction.
func TestCancelBeforeTheFence(t *testing.T) {
	t.Parallel()
	o := newOrdeal(t, "c", 1000)
	o.reach(migration.Ready)
	o.workload.end()
	end := o.openTransaction()
	defer end()
	o.mustUpdate("c", migration.MessageCutover)
	o.awaitPhase("c", migration.CuttingOver)
	o.cancel("c")
	o.awaitEnd("c", migration.Canceled)
	o.leftNothing()
	o.accepts(o.source)
}

// openTransaction writes in a transaction on the source and leaves it open.
func (s *stack) openTransaction() (end func()) {
	s.t.Helper()
	session, err := s.source.StartSession()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := session.StartTransaction(); err != nil {
		s.t.Fatal(err)
	}
	ctx := mongo.NewSessionContext(context.Background(), session)
	if _, err := s.source.Database("shop").Collection("orders").InsertOne(ctx, bson.D{{Key: "_id", Value: "open"}}); err != nil {
		s.t.Fatal(err)
	}
	return func() {
		_ = session.AbortTransaction(context.Background()) // the server may have done it
		session.EndSession(context.Background())
	}
}

// TestCancelAtTheFence: whichever comes first, it is either canceled with the
// source open, or completed and identical.
func TestCancelAtTheFence(t *testing.T) {
	t.Parallel()
	o := newOrdeal(t, "c", 10_000)
	o.reach(migration.CuttingOver)
	o.cancel("c")
	o.await("c", "the end", func(st migration.Status) bool { return st.Phase.Ended() })
	st, err := o.status("c")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ended as %s", st.Phase)
	if st.Phase == migration.Canceled {
		o.leftNothing()
		o.accepts(o.source)
		return
	}
	o.workload.end()
	o.identical()
}

// TestCancelTooLate cancels while finalizing: the migration completes and says so.
func TestCancelTooLate(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.worker()
	for i := range 150 {
		_, err := s.source.Database("many").Collection(fmt.Sprint("c", i)).Indexes().CreateOne(t.Context(), mongo.IndexModel{
			Keys: bson.D{{Key: "at", Value: 1}}, Options: options.Index().SetExpireAfterSeconds(36000)})
		if err != nil {
			t.Fatal(err)
		}
	}
	s.start(s.spec("late"))
	s.awaitPhase("late", migration.Ready)
	s.mustUpdate("late", migration.MessageCutover)
	s.awaitPhase("late", migration.Finalizing)
	code, _, errs := s.starter("cancel", "late", "--yes")
	if code != 1 || !strings.Contains(errs, "the cancel came too late, the migration has ended as completed") {
		t.Errorf("cancel: exit code %d: %s", code, errs)
	}
	if st, err := s.status("late"); err != nil || st.Phase != migration.Completed || !st.Source.WritesBlocked {
		t.Errorf("status %+v, %v", st, err)
	}
	s.identical()
}

// TestExpired: the window ends, the sync stops, the data stays.
func TestExpired(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.worker()
	fill(t, s.source, 1000)
	code, _, errs := s.starter("start", "--id", "brief", "--source", s.src.URI(), "--destination", s.dst.URI(), "--cutover-window", "2s")
	if code != 0 {
		t.Fatalf("start: exit code %d: %s", code, errs)
	}
	s.awaitEnd("brief", migration.Expired)
	s.awaitNotice("brief", "the cutover window has ended")
	s.leftNothing()
	s.record("brief", "expired")
	s.accepts(s.source)
	if n, err := s.dest.Database("shop").Collection("orders").CountDocuments(t.Context(), bson.D{}); err != nil || n != 1000 {
		t.Errorf("the destination keeps %d documents, %v", n, err)
	}
	code, _, errs = s.starter("start", "--id", "brief", "--source", s.src.URI(), "--destination", s.dst.URI(), "--drop-destination")
	if code != 1 || !strings.Contains(errs, "has ended already") {
		t.Errorf("start again: exit code %d: %s", code, errs)
	}
}
