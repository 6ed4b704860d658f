package e2e

import (
	"context"
	"slices"
	"testing"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
)

// TestWorkerKilled kills the worker in each phase of one migration; the status is
// shown before and after.
func TestWorkerKilled(t *testing.T) {
	t.Parallel()
	o := newOrdeal(t, "s", 60_000)
	for _, phase := range []migration.Phase{migration.Copying, migration.CatchingUp, migration.Ready, migration.CuttingOver} {
		o.reach(phase)
		if st := o.shows("s"); noWorker(st) {
			t.Errorf("in %s the status says that there is no worker: %+v", phase, st.Notices)
		}
		if err := o.worker.Kill(); err != nil {
			t.Fatal(err)
		}
		if st := o.shows("s"); !noWorker(st) || st.Source.URI == "" {
			t.Errorf("in %s the status does not say that there is no worker: %+v", phase, st)
		}
		o.worker = o.stack.worker()
	}
	o.finish()
	if st := o.shows("s"); st.Phase != migration.Completed || !st.InitialSync.Completed || st.Replication.EventsApplied == 0 {
		t.Errorf("at the end: %+v", st)
	}
}

func TestTemporalKilled(t *testing.T) {
	t.Parallel()
	o := newOrdeal(t, "temporal", 60_000)
	again := func() {
		t.Helper()
		if err := o.temporal.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := o.temporal.Restart(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	o.reach(migration.Copying)
	again()
	o.reach(migration.Ready)
	o.signal(o.id, migration.MessageExtend)
	again()
	o.extendedTwice()
	o.finish()
}

// extendedTwice: the signal of before is not lost, the timer runs on, and another
// signal is heard.
func (o *ordeal) extendedTwice() {
	o.t.Helper()
	o.await(o.id, "the first extension", func(st migration.Status) bool { return st.Cutover.Extensions == 1 })
	before := o.deadline(o.id)
	o.signal(o.id, migration.MessageExtend)
	o.await(o.id, "the second extension", func(st migration.Status) bool { return st.Cutover.Extensions == 2 })
	if got := o.deadline(o.id).Sub(before); got != migration.DefaultExtension {
		o.t.Errorf("the timer moved by %s", got)
	}
}

// TestServerKilled kills one side during the copy and the other one while many
// changes are applied.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"source", "destination"} {
		t.Run(first+" first", func(t *testing.T) {
			t.Parallel()
			o := newOrdeal(t, first, 60_000)
			servers := []*devstack.ReplicaSet{o.src, o.dst}
			if first == "destination" {
				slices.Reverse(servers)
			}
			again := func(server *devstack.ReplicaSet) {
				t.Helper()
				if err := server.Kill(); err != nil {
					t.Fatal(err)
				}
				if err := server.Restart(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			o.reach(migration.Copying)
			again(servers[0])
			o.reach(migration.Ready)
			o.fallBehind()
			again(servers[1])
			o.finish()
		})
	}
}
