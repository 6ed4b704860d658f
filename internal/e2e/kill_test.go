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
			o := newOrdeal(t, "kill-"+string(phase), 40_000)
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
			o := newOrdeal(t, "temporal-"+string(phase), 40_000)
			o.reach(phase)
			if err := o.temporal.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := o.temporal.Restart(context.Background()); err != nil {
				t.Fatal(err)
			}
			o.finish()
		})
	}
}

func TestServerKilled(t *testing.T) {
	t.Parallel()
	for _, phase := range []migration.Phase{migration.Copying, migration.CatchingUp} {
		for _, side := range []string{"source", "destination"} {
			t.Run(side+" "+string(phase), func(t *testing.T) {
				t.Parallel()
				o := newOrdeal(t, side+"-"+string(phase), 40_000)
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
