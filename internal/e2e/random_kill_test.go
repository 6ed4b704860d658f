package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

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
