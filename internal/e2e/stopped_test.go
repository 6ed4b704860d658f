package e2e

import (
	"testing"
	"time"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
)

// threeHeartbeats is three heartbeat timeouts of a migration's activities.
const threeHeartbeats = 30 * time.Second

// TestWorkerStopped stops a worker with SIGSTOP in each phase of one migration, lets
// others take over and finish, and wakes all of them: they must not write any more.
func TestWorkerStopped(t *testing.T) {
	t.Parallel()
	o := newOrdeal(t, "stopped", 60_000)
	var zombies []*devstack.Process
	for _, phase := range []migration.Phase{migration.Copying, migration.Ready, migration.CuttingOver} {
		o.reach(phase)
		if err := o.worker.Pause(); err != nil {
			t.Fatal(err)
		}
		zombies = append(zombies, o.worker)
		o.worker = o.stack.worker()
	}
	stopped := time.Now()
	o.finish()
	time.Sleep(time.Until(stopped.Add(threeHeartbeats)))
	for _, zombie := range zombies {
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
	}
	o.identical()
}
