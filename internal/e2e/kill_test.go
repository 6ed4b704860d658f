package e2e

import (
	"context"
	"testing"

	"mongoferry/internal/migration"
)

func TestWorkerKilled(t *testing.T) {
	t.Parallel()
	for _, phase := range []migration.Phase{migration.Copying, migration.CatchingUp, migration.Ready, migration.CuttingOver} {
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			o := newOrdeal(t, "kill-"+string(phase), 60_000)
			o.reach(phase)
			if err := o.worker.Kill(); err != nil {
				t.Fatal(err)
			}
			o.worker = o.stack.worker()
			o.finish()
		})
	}
}

func TestTemporalKilled(t *testing.T) {
	t.Parallel()
	for _, phase := range []migration.Phase{migration.Copying, migration.Ready} {
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			o := newOrdeal(t, "temporal-"+string(phase), 60_000)
			o.reach(phase)
			if phase == migration.Ready {
				o.signal(o.id, migration.MessageExtend)
			}
			if err := o.temporal.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := o.temporal.Restart(context.Background()); err != nil {
				t.Fatal(err)
			}
			if phase == migration.Ready {
				o.extendedTwice()
			}
			o.finish()
		})
	}
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

func TestServerKilled(t *testing.T) {
	t.Parallel()
	for _, phase := range []migration.Phase{migration.Copying, migration.CatchingUp} {
		for _, side := range []string{"source", "destination"} {
			t.Run(side+" "+string(phase), func(t *testing.T) {
				t.Parallel()
				o := newOrdeal(t, side+"-"+string(phase), 60_000)
				o.reach(phase)
				server := o.src
				if side == "destination" {
					server = o.dst
				}
				if err := server.Kill(); err != nil {
					t.Fatal(err)
				}
				if err := server.Restart(context.Background()); err != nil {
					t.Fatal(err)
				}
				o.finish()
			})
		}
	}
}
