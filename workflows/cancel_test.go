package workflows

import (
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"mongoferry/activities"
	"mongoferry/internal/migration"
)

// TestCancel cancels during each step before the point of no return: it ends as
// canceled, and what was claimed is undone once.
func TestCancel(t *testing.T) {
	t.Parallel()
	for _, step := range []struct {
		name    string
		claimed bool
	}{
		{"Validate", false}, {"Claim", true}, {"Prepare", true}, {"CopyUnit", true}, {"BuildIndexes", true},
		{"SourceOpTime", true}, {"ApplyChanges", true}, {"CutoverReadiness", true},
	} {
		t.Run(step.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.when[step.name] = s.CancelWorkflow
			s.signalAt(2*hour, migration.MessageCutover)
			s.play()
			s.ended(migration.Canceled)
			if err := s.GetWorkflowError(); !temporal.IsCanceledError(err) {
				t.Errorf("ended with %v", err)
			}
			want := 0
			if step.claimed {
				want = 1
			}
			if n := s.count("Compensate"); n != want {
				t.Errorf("compensated %d times, want %d", n, want)
			}
			if s.count("CutOver") > 0 || s.count("Finalize") > 0 {
				t.Errorf("it went on: %v", s.order())
			}
		})
	}
}

// TestCancelWhileWaiting cancels when nothing is under way.
func TestCancelWhileWaiting(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.signalAt(2*hour, migration.MessagePause)
	s.at(3*hour, s.CancelWorkflow)
	s.play()
	s.ended(migration.Canceled)
	if s.count("Compensate") != 1 {
		t.Errorf("%v", s.order())
	}
}

// TestCancelAtTheFence: the worker answers that it backed out, or that the
// destination is open; or it has died, and a second look settles it.
func TestCancelAtTheFence(t *testing.T) {
	t.Parallel()
	died := temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_HEARTBEAT, nil)
	cases := []struct {
		name  string
		first error
		opens bool
		want  migration.Phase
	}{
		{"backed out", nil, false, migration.Canceled},
		{"opened", nil, true, migration.Completed},
		{"died, backed out", died, false, migration.Canceled},
		{"died, opened", died, true, migration.Completed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.when["CutOver"] = s.CancelWorkflow
			tries := 0
			s.cutOver = func(in activities.CutoverInput) (activities.CutoverResult, error) {
				if tries++; c.first != nil && !in.Settle {
					return activities.CutoverResult{}, c.first
				}
				return activities.CutoverResult{Completed: c.opens, Reason: "canceled", Position: in.From}, nil
			}
			s.signalAt(2*hour, migration.MessageCutover)
			s.play()
			s.ended(c.want)
			if (s.count("Compensate") == 1) != (c.want == migration.Canceled) || (s.count("CleanUp") == 1) != (c.want == migration.Completed) {
				t.Errorf("%v", s.order())
			}
		})
	}
}

// TestCancelAfterThePointOfNoReturn is noted, and the migration completes.
func TestCancelAfterThePointOfNoReturn(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"Finalize", "CleanUp"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.when[step] = s.CancelWorkflow
			s.signalAt(2*hour, migration.MessageCutover)
			s.play()
			s.ended(migration.Completed)
			if s.GetWorkflowError() != nil || s.count("Compensate") > 0 || s.count("CleanUp") != 1 {
				t.Errorf("%v, %v", s.GetWorkflowError(), s.order())
			}
		})
	}
}

// TestCompensationFails: the operator is told what to run.
func TestCompensationFails(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.compensate = func() (activities.Compensation, error) {
		return activities.Compensation{}, failing(migration.AccessDenied)
	}
	s.at(2*hour, s.CancelWorkflow)
	began := time.Now()
	s.play()
	st := s.ended(migration.Canceled)
	if got := messagesOf(st); len(got) != 1 || !strings.Contains(got[0], "run: starter cleanup m: what was wrong") {
		t.Errorf("notices %q after %s", got, time.Since(began))
	}
}
