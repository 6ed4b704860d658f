package e2e

import (
	"testing"
	"time"

	"mongoferry/internal/migration"
)

// threeHeartbeats is three heartbeat timeouts of a migration's activities.
const threeHeartbeats = 30 * time.Second

// TestWorkerStopped stops a worker with SIGSTOP, lets another one take over and
// finish, and wakes the first: it must not write any more.
func TestWorkerStopped(t *testing.T) {
	t.Parallel()
	for _, phase := range []migration.Phase{migration.Copying, migration.Ready, migration.CuttingOver} {
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			o := newOrdeal(t, "stopped-"+string(phase), 60_000)
			o.reach(phase)
			zombie := o.worker
			if err := zombie.Pause(); err != nil {
				t.Fatal(err)
			}
			stopped := time.Now()
			o.worker = o.stack.worker()
			o.finish()
			time.Sleep(time.Until(stopped.Add(threeHeartbeats)))
			before := zombie.Log(1)
			if err := zombie.Continue(); err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(patience); zombie.Log(1) == before; time.Sleep(20 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the worker says nothing after it was woken")
				}
			}
			// Once it has ended, nothing can come any more.
			if err := zombie.Stop(); err != nil {
				t.Fatal(err)
			}
			o.identical()
		})
	}
}
