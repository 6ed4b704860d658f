package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	enumspb "go.temporal.io/api/enums/v1"

	"mongoferry/internal/migration"
)

// Names of activities that a run kills the worker in.
const (
	stepCopy    = "CopyUnit"
	stepIndexes = "BuildIndexes"
	stepApply   = "ApplyChanges"
	stepLook    = "LookAtConstraints"
	stepCutOver = "CutOver"
)

// killWhile waits until the worker is at one of these steps, and kills it a random
// while later. A worker that is killed before it has begun anything is no trial: a
// step whose worker has died begins again only when its heartbeat is missed.
func (r *randomRun) killWhile(most time.Duration, steps ...string) {
	r.t.Helper()
	r.awaitWork(steps...)
	r.after(most)
	r.kill()
}

// awaitWork waits until the worker that runs now has begun one of these steps.
func (r *randomRun) awaitWork(steps ...string) {
	r.t.Helper()
	me := fmt.Sprintf("%d@", r.worker.PID())
	for end := time.Now().Add(r.patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		d, err := r.client.DescribeWorkflowExecution(context.Background(), r.id, "")
		if err != nil {
			r.t.Fatal(err)
		}
		for _, p := range d.GetPendingActivities() {
			if p.GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED && strings.HasPrefix(p.GetLastWorkerIdentity(), me) &&
				slices.Contains(steps, p.GetActivityType().GetName()) {
				return
			}
		}
	}
	r.t.Fatalf("the worker was never at any of %v", steps)
}

// smallLag is how far the destination may be behind, in seconds, when a cutover is to
// come through.
const smallLag = 5

// awaitSmallLag waits until a ready migration is close behind the source. What the
// workflow knows of the lag is as old as the last slice that came to its end; the
// position is in the heartbeats too.
func (r *randomRun) awaitSmallLag() {
	r.t.Helper()
	var st migration.Status
	var errs string
	for end := time.Now().Add(r.patience); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		now := r.lastWrite()
		var code int
		var out string
		if code, out, errs = r.starter("status", r.id, "-o", "json"); code != 0 {
			continue // it waits for no slow machine
		}
		if err := json.Unmarshal([]byte(out), &st); err != nil {
			r.t.Fatalf("status: %v: %s", err, out)
		}
		if st.Phase == migration.Ready && int64(now)-int64(st.Replication.LastAppliedOpTime.T) <= smallLag {
			return
		}
	}
	r.t.Fatalf("the destination does not catch up: %+v %s", st, errs)
}

// lastWrite is the second of the last write to the source.
func (r *randomRun) lastWrite() uint32 {
	r.t.Helper()
	var hello struct {
		LastWrite struct {
			OpTime struct {
				TS bson.Timestamp `bson:"ts"`
			} `bson:"opTime"`
		} `bson:"lastWrite"`
	}
	if err := r.source.Database("admin").RunCommand(context.Background(), bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
		r.t.Fatal(err)
	}
	return hello.LastWrite.OpTime.TS.T
}

// after lets a random time pass, up to the most given.
func (r *randomRun) after(most time.Duration) {
	time.Sleep(time.Duration(r.choose.Int64N(int64(most))))
}

// kill ends the worker with SIGKILL and starts another one, which tells the phase:
// a step that was under way still is.
func (r *randomRun) kill() {
	r.t.Helper()
	if err := r.worker.Kill(); err != nil {
		r.t.Fatal(err)
	}
	r.worker = r.stack.worker()
	st := r.await(r.id, "an answer", func(migration.Status) bool { return true })
	r.kills[st.Phase]++
	r.note("the worker was killed in phase %s", st.Phase)
	r.check(st)
}
