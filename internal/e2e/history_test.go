package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
)

// TestHistoryLost pauses a migration until the source's oplog no longer reaches
// back to it: it fails at once, without being resumed, says so, and leaves nothing
// behind but the documents it has copied.
func TestHistoryLost(t *testing.T) {
	t.Parallel()
	for _, phase := range []migration.Phase{migration.Copying, migration.Ready} {
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			s := newStackOf(t, devstack.ReplicaSetOptions{OplogMB: 1})
			s.worker()
			fill(t, s.source, 20_000)
			s.start(s.spec("late"))
			s.awaitPhase("late", phase)
			s.mustUpdate("late", migration.MessagePause)
			st, err := s.status("late")
			if err != nil || st.Phase != phase {
				t.Fatalf("paused in %s, %v", st.Phase, err)
			}
			s.forget(st.Replication.LastAppliedOpTime)
			s.awaitEnd("late", migration.Failed)
			if st, err = s.status("late"); err != nil || !strings.Contains(st.Error, "ChangeStreamHistoryLost") || !strings.Contains(st.Error, "replSetResizeOplog") {
				t.Errorf("status: %v, %q", err, st.Error)
			}
			for _, n := range st.Notices {
				if strings.Contains(n.Message, "tried again") {
					t.Errorf("it was tried again: %s", n.Message)
				}
			}
			s.leftNothing()
			s.accepts(s.source)
		})
	}
}

// forget writes to the source until its oplog begins after a time.
func (s *stack) forget(at migration.OpTime) {
	s.t.Helper()
	ctx := context.Background()
	pad := make([]byte, 1<<20)
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if _, err := s.source.Database("shop").Collection("noise").InsertOne(ctx, bson.D{{Key: "pad", Value: pad}}); err != nil {
			s.t.Fatal(err)
		}
		first, err := s.source.Database("local").Collection("oplog.rs").
			FindOne(ctx, bson.D{}, options.FindOne().SetSort(bson.D{{Key: "$natural", Value: 1}})).Raw()
		if err != nil {
			continue // it is being cut off
		}
		t, i, _ := first.Lookup("ts").TimestampOK()
		if (migration.OpTime{T: t, I: i}).After(at) {
			return
		}
	}
	s.t.Fatal("the oplog does not forget")
}
