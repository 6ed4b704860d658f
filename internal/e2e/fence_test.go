package e2e

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
)

// TestTemporalAwayAtTheFence takes Temporal away for 90 s once the source is
// fenced: the worker must settle the cutover alone.
func TestTemporalAwayAtTheFence(t *testing.T) {
	t.Parallel()
	o := newOrdeal(t, "away", 20_000)
	o.reach(migration.CuttingOver)
	if err := o.temporal.Kill(); err != nil {
		t.Fatal(err)
	}
	gone := time.Now()
	for time.Since(gone) < 90*time.Second {
		time.Sleep(time.Second)
		if time.Since(gone) > migration.DefaultCutoverTimeout+15*time.Second && o.blocked() && !o.opened() {
			t.Fatal("the source is blocked, and the destination is not open")
		}
	}
	t.Logf("while Temporal was away: source blocked %t, destination open %t", o.blocked(), o.opened())
	if err := o.temporal.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	o.finish()
}

// TestClientThatIsNotStopped writes through the cutover as a user whom the block
// does not stop: the cutover is backed out and names the write.
func TestClientThatIsNotStopped(t *testing.T) {
	t.Parallel()
	s := newStackOf(t, devstack.ReplicaSetOptions{Auth: true})
	addUser(t, s.source, "app", "app", "readWriteAnyDatabase", "dbAdminAnyDatabase")
	fill(t, s.source, 20_000)
	s.worker()
	o := &ordeal{stack: s, id: "through", workload: startWorkload(t, s.src.URIFor("app", "app"), workloadRate)}
	s.start(s.spec(o.id))
	o.reach(migration.Ready)
	intruder := startIntruder(t, s)
	o.fence()
	st := o.await(o.id, "the cutover to be backed out", func(st migration.Status) bool {
		return st.Phase == migration.Ready && len(st.Notices) > 0 && strings.Contains(st.Notices[len(st.Notices)-1].Message, "backed out")
	})
	if text := st.Notices[len(st.Notices)-1].Message; !strings.Contains(text, "insert in shop.orders, _id {\"$numberLong\":\"77") {
		t.Errorf("the notice does not name the write: %s", text)
	}
	if s.blocked() {
		t.Error("the source is still blocked")
	}
	intruder.end()
	o.finish()
	s.record(o.id, "backed-out")
	if lost := intruder.lost(s.dest); len(lost) > 0 {
		t.Errorf("%d writes of the client that was not stopped are lost: %v", len(lost), lost)
	}
}

// startIntruder inserts as root, again and again.
func startIntruder(t *testing.T, s *stack) *workload {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &workload{t: t, client: connect(t, s.src.URI()), stop: sync.OnceFunc(cancel)}
	orders := w.client.Database("shop").Collection("orders")
	w.wg.Go(func() {
		for id := int64(7_700_000_000); ctx.Err() == nil; id++ {
			if _, err := orders.InsertOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "n", Value: id}}); err == nil {
				w.mu.Lock()
				w.acked = append(w.acked, id)
				w.mu.Unlock()
			} else if ctx.Err() == nil {
				t.Errorf("the root user was refused: %v", err)
			}
			time.Sleep(time.Millisecond)
		}
	})
	t.Cleanup(w.end)
	return w
}

// addUser creates a user in admin.
func addUser(t *testing.T, c *mongo.Client, name, password string, roles ...string) {
	t.Helper()
	err := c.Database("admin").RunCommand(t.Context(), bson.D{{Key: "createUser", Value: name}, {Key: "pwd", Value: password}, {Key: "roles", Value: roles}}).Err()
	if err != nil {
		t.Fatal(err)
	}
}
