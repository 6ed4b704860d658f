package workflows

import (
	"reflect"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

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

// TestRecall: the last heartbeat of a slice whose worker has died moves the position
// on, never back.
func TestRecall(t *testing.T) {
	t.Parallel()
	m := &run{State: newState(migration.Spec{ID: "recall"}, time.Unix(0, 0))}
	m.advance(activities.Position{OpTime: migration.OpTime{T: 100}}, migration.ReplicationStatus{LagSeconds: 50})
	beat := func(seconds uint32, lag int64) error {
		return temporal.NewHeartbeatTimeoutError(
			activities.Position{OpTime: migration.OpTime{T: seconds}}, migration.Live{Replication: &migration.ReplicationStatus{LagSeconds: lag}})
	}
	for _, step := range []struct {
		name string
		err  error
		at   uint32
		lag  int64
	}{
		{"a cancel", temporal.NewCanceledError(), 100, 50},
		{"no heartbeat", temporal.NewHeartbeatTimeoutError(), 100, 50},
		{"only a position", temporal.NewHeartbeatTimeoutError(activities.Position{OpTime: migration.OpTime{T: 110}}), 100, 50},
		{"further", beat(130, 20), 130, 20},
		{"an older one", beat(120, 90), 130, 20},
	} {
		m.recall(step.err)
		if got := m.Position.OpTime.T; got != step.at {
			t.Errorf("%s: at %d, want %d", step.name, got, step.at)
		}
		if got := m.Status.Replication.LagSeconds; got != step.lag {
			t.Errorf("%s: lag %d, want %d", step.name, got, step.lag)
		}
	}
}

// TestRecallCopy: a unit that was stopped when its worker had died goes on from the last
// heartbeat, which comes with the news, or else from where it was taken up.
func TestRecallCopy(t *testing.T) {
	t.Parallel()
	at := func(part int, documents int64) *activities.CopyResume {
		return &activities.CopyResume{Part: part, Completed: int64(part), Copied: migration.Copied{Documents: documents}}
	}
	for _, c := range []struct {
		name       string
		from, want *activities.CopyResume
		err        error
	}{
		{"a cancel", at(1, 100), at(1, 100), temporal.NewCanceledError()},
		{"a cancel at the beginning", nil, nil, temporal.NewCanceledError()},
		{"no heartbeat", at(1, 100), at(1, 100), temporal.NewHeartbeatTimeoutError()},
		{"a heartbeat before anything was copied", nil, nil, temporal.NewHeartbeatTimeoutError((*activities.CopyResume)(nil), migration.Live{})},
		{"further", nil, at(2, 300), temporal.NewHeartbeatTimeoutError(at(2, 300), migration.Live{})},
	} {
		unit := Interrupted{Unit: 3, Resume: c.from}
		got := unit.recall(c.err)
		want := Interrupted{Resume: c.want}.at()
		if !reflect.DeepEqual(got.Resume, c.want) || got.Copied != want.Copied || got.Namespaces != want.Completed {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
		if unit.Resume != c.from {
			t.Errorf("%s: the unit itself has changed", c.name)
		}
	}
}
