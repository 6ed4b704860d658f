package workflows

import (
	"testing"
	"time"

	"mongoferry/activities"
	"mongoferry/internal/migration"
)

// TestLagStays: an activity that was stopped before it looked at the source tells
// of no lag; that is not one of 0.
func TestLagStays(t *testing.T) {
	t.Parallel()
	m := &run{State: newState(migration.Spec{ID: "lag"}, time.Unix(0, 0))}
	at := func(seconds uint32) activities.Position {
		return activities.Position{OpTime: migration.OpTime{T: seconds}}
	}
	for _, step := range []struct {
		name      string
		to        uint32
		told, lag int64
	}{
		{"behind", 100, 50, 50},
		{"stopped at once", 100, 0, 50},
		{"further behind", 100, 60, 60},
		{"caught up", 160, 0, 0},
	} {
		m.advance(at(step.to), migration.ReplicationStatus{LagSeconds: step.told})
		if got := m.Status.Replication.LagSeconds; got != step.lag {
			t.Errorf("%s: lag %d, want %d", step.name, got, step.lag)
		}
	}
}
