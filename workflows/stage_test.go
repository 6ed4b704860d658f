package workflows

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"mongoferry/activities"
	"mongoferry/internal/migration"
)

// stage plays a migration without clusters: each activity is a function that a
// test may replace, time passes as soon as nobody is busy.
type stage struct {
	*testsuite.TestWorkflowEnvironment
	t *testing.T

	validate func() (activities.Checked, error)
	plan     func() activities.Plan
	// aside makes what runs side by side, units and watches, come one after the other.
	aside        sync.Mutex
	copyUnit     func(activities.CopyInput) (activities.CopyResult, error)
	applyChanges func(activities.SliceInput) (activities.SliceResult, error)
	constraints  func(activities.ConstraintsInput) (activities.ConstraintsResult, error)
	readiness    func() (activities.ReadinessResult, error)
	cutOver      func(activities.CutoverInput) (activities.CutoverResult, error)
	compensate   func() (activities.Compensation, error)
	watch        func(activities.WatchInput) (activities.WatchResult, error)
	// when is called as each activity begins.
	when map[string]func()

	mu    sync.Mutex
	calls []string
}

// sliceTime is how long a slice takes on the stage, watchTime how long the oplog is
// watched before there is something to say.
const (
	sliceTime = 20 * time.Minute
	watchTime = 40 * time.Second
)

var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newStage(t *testing.T) *stage {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	s := &stage{TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment(), t: t, when: map[string]func(){}}
	s.SetTestTimeout(time.Minute)
	s.SetStartTime(began)
	s.RegisterWorkflow(Migrate)
	s.validate = func() (activities.Checked, error) { return activities.Checked{}, nil }
	s.plan = func() activities.Plan {
		return activities.Plan{
			Start: activities.Position{ResumeToken: []byte{1}, OpTime: migration.OpTime{T: 100}},
			Units: 6, IndexUnits: 2, Namespaces: 6, Documents: 60, Bytes: 600, Indexes: 2,
		}
	}
	s.copyUnit = func(activities.CopyInput) (activities.CopyResult, error) {
		return activities.CopyResult{Copied: migration.Copied{Documents: 10, Bytes: 100}, Namespaces: 1}, nil
	}
	s.applyChanges = func(in activities.SliceInput) (activities.SliceResult, error) { return slice(in, 0), nil }
	s.constraints = func(in activities.ConstraintsInput) (activities.ConstraintsResult, error) {
		return activities.ConstraintsResult{Epoch: in.From.Epoch}, nil
	}
	s.readiness = func() (activities.ReadinessResult, error) { return activities.ReadinessResult{}, nil }
	s.cutOver = func(in activities.CutoverInput) (activities.CutoverResult, error) {
		return activities.CutoverResult{Completed: true, Position: in.From, WritesAcceptedAt: began, SourceBlocked: true}, nil
	}
	s.compensate = func() (activities.Compensation, error) { return activities.Compensation{}, nil }
	s.watch = func(activities.WatchInput) (activities.WatchResult, error) { return activities.WatchResult{}, nil }
	s.cast()
	return s
}

// slice is the result of a slice that has caught up but for a lag.
func slice(in activities.SliceInput, lag int64) activities.SliceResult {
	to := in.From
	to.OpTime.T += 10
	to.ResumeToken = []byte{byte(to.OpTime.T)}
	return activities.SliceResult{Position: to, Replication: migration.ReplicationStatus{LagSeconds: lag, EventsRead: 5, EventsApplied: 4}}
}

// cast gives every activity its actor.
func (s *stage) cast() {
	var act *activities.Activities
	s.RegisterActivity(act)
	play := func(f, actor any) *testsuite.MockCallWrapper {
		return s.OnActivity(f, mock.Anything, mock.Anything).Return(actor)
	}
	play(act.Validate, func(context.Context, migration.Spec) (activities.Checked, error) {
		s.called("Validate")
		return s.validate()
	})
	play(act.Claim, func(context.Context, migration.Spec) error { s.called("Claim"); return nil })
	play(act.Prepare, func(context.Context, migration.Spec) (activities.Plan, error) {
		s.called("Prepare")
		return s.plan(), nil
	})
	play(act.CopyUnit, func(_ context.Context, in activities.CopyInput) (activities.CopyResult, error) {
		s.called("CopyUnit")
		s.aside.Lock()
		defer s.aside.Unlock()
		return s.copyUnit(in)
	}).After(time.Minute)
	// It is no step of the runbook: it runs beside them.
	play(act.WatchOplog, func(_ context.Context, in activities.WatchInput) (activities.WatchResult, error) {
		s.aside.Lock()
		defer s.aside.Unlock()
		return s.watch(in)
	}).After(watchTime)
	play(act.BuildIndexes, func(context.Context, activities.IndexInput) (activities.IndexResult, error) {
		s.called("BuildIndexes")
		return activities.IndexResult{Built: 1}, nil
	})
	play(act.SourceOpTime, func(context.Context, migration.Spec) (migration.OpTime, error) {
		s.called("SourceOpTime")
		return migration.OpTime{T: 105}, nil
	})
	play(act.ApplyChanges, func(_ context.Context, in activities.SliceInput) (activities.SliceResult, error) {
		s.called("ApplyChanges")
		return s.applyChanges(in)
	}).After(sliceTime)
	play(act.LookAtConstraints, func(_ context.Context, in activities.ConstraintsInput) (activities.ConstraintsResult, error) {
		s.called("LookAtConstraints")
		return s.constraints(in)
	})
	play(act.CutoverReadiness, func(context.Context, migration.Spec) (activities.ReadinessResult, error) {
		s.called("CutoverReadiness")
		return s.readiness()
	})
	play(act.CutOver, func(_ context.Context, in activities.CutoverInput) (activities.CutoverResult, error) {
		s.called("CutOver")
		return s.cutOver(in)
	}).After(time.Second)
	play(act.Finalize, func(context.Context, migration.Spec) (activities.FinalizeResult, error) {
		s.called("Finalize")
		return activities.FinalizeResult{}, nil
	})
	play(act.CleanUp, func(context.Context, migration.Spec) error { s.called("CleanUp"); return nil })
	play(act.Compensate, func(context.Context, activities.CompensateInput) (activities.Compensation, error) {
		s.called("Compensate")
		return s.compensate()
	})
}

func (s *stage) called(name string) {
	s.mu.Lock()
	s.calls = append(s.calls, name)
	do := s.when[name]
	s.mu.Unlock()
	if do != nil {
		do()
	}
}

// count is how often an activity was called.
func (s *stage) count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.calls {
		if c == name {
			n++
		}
	}
	return n
}

// order is the activities in the order of their first call.
func (s *stage) order() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, c := range s.calls {
		if !slices.Contains(names, c) {
			names = append(names, c)
		}
	}
	return names
}

func spec() migration.Spec {
	return migration.Spec{
		ID: "m", Source: migration.Endpoint{URI: "mongodb://source:1"}, Destination: migration.Endpoint{URI: "mongodb://destination:1"},
	}
}

// play runs the migration to its end.
func (s *stage) play() {
	s.t.Helper()
	s.ExecuteWorkflow(Migrate, Input{Spec: spec()})
	if !s.IsWorkflowCompleted() {
		s.t.Fatal("the workflow did not end")
	}
}

// status asks the workflow as the starter does.
func (s *stage) status() migration.Status {
	s.t.Helper()
	var st migration.Status
	v, err := s.QueryWorkflow(migration.QueryStatus)
	if err == nil {
		err = v.Get(&st)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return st
}

// at does something so long after the start.
func (s *stage) at(after time.Duration, do func()) { s.RegisterDelayedCallback(do, after) }

// signalAt sends a signal so long after the start.
func (s *stage) signalAt(after time.Duration, name string) {
	s.at(after, func() { s.SignalWorkflow(name, nil) })
}

// ended wants this end.
func (s *stage) ended(phase migration.Phase) migration.Status {
	s.t.Helper()
	st := s.status()
	if st.Phase != phase {
		s.t.Fatalf("ended as %s, want %s: %v, %+v", st.Phase, phase, s.GetWorkflowError(), st.Notices)
	}
	return st
}

func messagesOf(st migration.Status) []string {
	var out []string
	for _, n := range st.Notices {
		out = append(out, n.At+" "+n.Message)
	}
	return out
}
