package e2e

import (
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
)

// ordeal is a migration under a workload that is to end identical whatever is done
// to it on the way.
type ordeal struct {
	*stack
	id       string
	workload *workload
	worker   *devstack.Process
}

func newOrdeal(t *testing.T, id string, documents int) *ordeal {
	t.Helper()
	return newOrdealOn(t, newStack(t), id, documents)
}

func newOrdealOn(t *testing.T, s *stack, id string, documents int) *ordeal {
	t.Helper()
	fill(t, s.source, documents)
	o := &ordeal{stack: s, id: id, worker: s.worker()}
	o.workload = startWorkload(t, s.src.URI(), workloadRate)
	s.start(s.slowly(id))
	return o
}

// reach waits for a phase. Catching up is over in no time unless there is much to
// catch up with: so much is written while the copy is paused. Cutting over is
// reached when the source is fenced.
func (o *ordeal) reach(phase migration.Phase) {
	o.t.Helper()
	switch phase {
	case migration.CatchingUp:
		o.awaitPhase(o.id, migration.Copying)
		o.fallBehind()
		o.awaitPhase(o.id, phase)
	case migration.CuttingOver:
		o.awaitPhase(o.id, migration.Ready)
		o.fence()
	default:
		o.awaitPhase(o.id, phase)
	}
}

// fallBehind pauses while many documents are written.
func (o *ordeal) fallBehind() {
	o.t.Helper()
	o.mustUpdate(o.id, migration.MessagePause)
	o.burst(30_000)
	o.mustUpdate(o.id, migration.MessageResume)
}

// fence asks for a cutover until the source is fenced: an index build of the
// workload may stand against it for a moment.
func (o *ordeal) fence() {
	o.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if err := o.client.SignalWorkflow(context.Background(), o.id, "", migration.MessageCutover, nil); err != nil {
			o.t.Fatal(err)
		}
		for range 500 {
			if o.blocked() {
				return
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
	o.t.Fatal("the source was never fenced")
}

// burst writes many small documents.
func (o *ordeal) burst(documents int) {
	o.t.Helper()
	coll := o.source.Database("shop").Collection("burst")
	for from := 0; from < documents; from += 1000 {
		docs := make([]any, 1000)
		for i := range docs {
			docs[i] = bson.D{{Key: "_id", Value: from + i}}
		}
		if _, err := coll.InsertMany(context.Background(), docs); err != nil {
			o.t.Fatal(err)
		}
	}
}

// finish cuts over until it completes and compares.
func (o *ordeal) finish() {
	o.t.Helper()
	final := o.cutOver()
	o.workload.end()
	if len(final.Cutover.UnsuccessfulIndexes) > 0 {
		o.t.Errorf("unsuccessful indexes: %+v", final.Cutover.UnsuccessfulIndexes)
	}
	o.identical()
	if lost := o.workload.lost(o.dest); len(lost) > 0 {
		o.t.Errorf("%d acknowledged writes are lost: %v", len(lost), lost)
	}
	o.t.Logf("%d writes, %d events applied, notices %v", o.workload.writes.Load(), final.Replication.EventsApplied, final.Notices)
}

// cutOver asks again when a cutover was backed out.
func (o *ordeal) cutOver() migration.Status {
	o.t.Helper()
	for range 20 {
		o.await(o.id, "phase ready or the end", func(st migration.Status) bool {
			return st.Phase == migration.Ready || st.Phase == migration.Completed
		})
		if _, err := o.update(o.id, migration.MessageCutover); err != nil {
			o.t.Logf("cutover: %v", err)
		}
		st := o.await(o.id, "ready or completed", func(st migration.Status) bool {
			return st.Phase == migration.Completed || st.Phase == migration.Ready
		})
		if st.Phase == migration.Completed {
			return st
		}
	}
	o.t.Fatal("20 cutovers came to nothing")
	return migration.Status{}
}
