package e2e

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	enumspb "go.temporal.io/api/enums/v1"

	"mongoferry/internal/migration"
)

// awaitStep waits until a step is under way, in at least its nth attempt.
func (s *stack) awaitStep(id, name string, attempt int32) {
	s.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		d, err := s.client.DescribeWorkflowExecution(context.Background(), id, "")
		if err != nil {
			s.t.Fatal(err)
		}
		for _, p := range d.GetPendingActivities() {
			if p.GetActivityType().GetName() == name && p.GetAttempt() >= attempt && p.GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED {
				return
			}
		}
	}
	s.t.Fatalf("%s was never seen in attempt %d", name, attempt)
}

// TestPauseDuringAnIndexBuild: the build is broken off and made again.
func TestPauseDuringAnIndexBuild(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.worker()
	fill(t, s.source, 40_000)
	s.start(s.spec("p"))
	s.awaitStep("p", "BuildIndexes", 1)
	s.mustUpdate("p", migration.MessagePause)
	s.mustUpdate("p", migration.MessageResume)
	s.awaitPhase("p", migration.Ready)
	s.mustUpdate("p", migration.MessageCutover)
	s.awaitPhase("p", migration.Completed)
	s.identical()
}

// TestPauseAfterTheWorkerDied: what the slice had applied by its last heartbeat is
// known to the workflow, though the slice could not tell.
func TestPauseAfterTheWorkerDied(t *testing.T) {
	t.Parallel()
	o := newOrdeal(t, "d", 1000)
	o.awaitPhase("d", migration.Ready)
	own, err := o.status("d")
	if err != nil {
		t.Fatal(err)
	}
	var shown migration.OpTime
	for end := time.Now().Add(patience); !shown.After(own.Replication.LastAppliedOpTime); {
		if time.Now().After(end) {
			t.Fatal("no heartbeat tells of a later position")
		}
		shown = o.shows("d").Replication.LastAppliedOpTime
	}
	if err := o.worker.Kill(); err != nil {
		t.Fatal(err)
	}
	o.stack.worker()
	o.mustUpdate("d", migration.MessagePause)
	o.await("d", "the position of the last heartbeat", func(st migration.Status) bool {
		return st.Paused && !st.Replication.LastAppliedOpTime.Before(shown)
	})
}

// TestPauseWhileTheDestinationIsAway: the step that is being tried again is left,
// and nothing has failed. Meanwhile the status tells what is wrong.
func TestPauseWhileTheDestinationIsAway(t *testing.T) {
	t.Parallel()
	o := newOrdeal(t, "p", 1000)
	o.reach(migration.Ready)
	if err := o.dst.Kill(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		st := o.shows("p")
		if n := len(st.Notices); n > 0 && !st.Cutover.Allowed && strings.Contains(st.Notices[n-1].Message, "destination") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the status shows no trouble: %+v", st)
		}
	}
	o.mustUpdate("p", migration.MessagePause)
	o.await("p", "the pause", func(st migration.Status) bool { return st.Phase == migration.Ready && st.Paused })
	if err := o.dst.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	o.mustUpdate("p", migration.MessageResume)
	o.finish()
}

// TestCutoverWithoutWorker: what was said not to have been delivered does not
// happen later.
func TestCutoverWithoutWorker(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	worker := s.worker()
	fill(t, s.source, 100)
	s.start(s.spec("w"))
	s.awaitPhase("w", migration.Ready)
	if err := worker.Kill(); err != nil {
		t.Fatal(err)
	}
	code, _, errs := s.starter("cutover", "w", "--yes")
	if code != 1 || !strings.Contains(errs, "no worker") {
		t.Errorf("cutover: exit code %d: %s", code, errs)
	}
	sent := time.Now()
	for time.Since(sent) < messageLifetime { // it would be too late for the message, not for the migration
		time.Sleep(100 * time.Millisecond)
	}
	s.worker()
	s.await("w", "the migration to go on", func(st migration.Status) bool { return st.Phase == migration.Ready })
	s.mustUpdate("w", migration.MessageExtend)
	if st, err := s.status("w"); err != nil || st.Phase != migration.Ready || st.Cutover.StartedAt != "" {
		t.Errorf("it was cut over: %+v, %v", st, err)
	}
}

// messageLifetime is above how long the starter's messages are valid.
const messageLifetime = 31 * time.Second

// TestWorkerAskedToEndAtTheFence: it backs out, or finishes, before it goes.
func TestWorkerAskedToEndAtTheFence(t *testing.T) {
	t.Parallel()
	o := newOrdeal(t, "term", 1000)
	for i := range 300 {
		_, err := o.source.Database("many").Collection("c"+strings.Repeat("x", i%10)+string(rune('a'+i%26))+strings.Repeat("y", i/26)).Indexes().
			CreateOne(t.Context(), mongo.IndexModel{Keys: bson.D{{Key: "u", Value: 1}}, Options: options.Index().SetUnique(true)})
		if err != nil {
			t.Fatal(err)
		}
	}
	o.reach(migration.CuttingOver)
	if err := syscall.Kill(o.worker.PID(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-o.worker.Done()
	if o.blocked() && !o.opened() {
		t.Fatalf("the worker has ended, the source is blocked and the destination is not open:\n%s", o.worker.Log(20))
	}
	o.worker = o.stack.worker()
	o.finish()
}
