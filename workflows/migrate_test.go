package workflows

import (
	"errors"
	"slices"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"mongoferry/activities"
	"mongoferry/internal/migration"
)

// hour is well within ready: the copy takes minutes on the stage.
const hour = time.Hour

func TestRunbook(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.signalAt(2*hour, migration.MessageCutover)
	s.play()
	st := s.ended(migration.Completed)
	want := []string{"Validate", "Claim", "Prepare", "CopyUnit", "BuildIndexes", "SourceOpTime", "ApplyChanges",
		"LookAtConstraints", "CutoverReadiness", "CutOver", "Finalize", "CleanUp"}
	if got := s.order(); !slices.Equal(got, want) {
		t.Errorf("the activities came in the order %v", got)
	}
	if n := s.count("CopyUnit"); n != 6 {
		t.Errorf("%d units were copied", n)
	}
	c := st.Copy
	if !c.Completed || c.Documents.Copied != 60 || c.Bytes.Copied != 600 || c.NamespacesCompleted != 6 || c.Indexes.Built != 2 {
		t.Errorf("copy: %+v", c)
	}
	if !st.InitialSync.Completed || !st.Source.WritesBlocked || st.Cutover.CompletedAt == "" || st.Cutover.WritesAcceptedAt != stamp(began) {
		t.Errorf("status: %+v", st)
	}
	if slices := s.count("ApplyChanges"); st.Replication.EventsApplied != int64(4*slices) {
		t.Errorf("%d events applied in %d slices", st.Replication.EventsApplied, slices)
	}
	if s.GetWorkflowError() != nil || len(st.Notices) > 0 {
		t.Errorf("%v, %v", s.GetWorkflowError(), messagesOf(st))
	}
}

// failing makes an activity fail for good with a kind of fault.
func failing(kind migration.FaultKind) error {
	return temporal.NewNonRetryableApplicationError("what was wrong", string(kind), nil)
}

func TestFailures(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name        string
		arrange     func(*stage)
		kind        migration.FaultKind
		text        string
		compensates int
	}{
		{"a blocking finding", func(s *stage) {
			s.validate = func() (activities.Checked, error) {
				return activities.Checked{Validation: migration.Validation{Findings: []migration.Finding{
					{Severity: migration.Warning, Message: "careful"},
					{Severity: migration.Blocking, Message: "the source is a standalone server", Fix: "convert it"},
				}}}, nil
			}
		}, migration.PreflightFailed, "preflight: the source is a standalone server (convert it)", 0},
		{"history lost", func(s *stage) {
			s.applyChanges = func(activities.SliceInput) (activities.SliceResult, error) {
				return activities.SliceResult{}, failing(migration.HistoryLost)
			}
		}, migration.HistoryLost, "what was wrong", 1},
		{"a refused write", func(s *stage) {
			s.copyUnit = func(activities.CopyInput) (activities.CopyResult, error) {
				return activities.CopyResult{}, failing(migration.WriteRefused)
			}
		}, migration.WriteRefused, "what was wrong", 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			c.arrange(s)
			s.play()
			st := s.ended(migration.Failed)
			var app *temporal.ApplicationError
			if !errors.As(s.GetWorkflowError(), &app) || app.Type() != string(c.kind) || st.Error != c.text {
				t.Errorf("%v, %q", s.GetWorkflowError(), st.Error)
			}
			if n := s.count("Compensate"); n != c.compensates {
				t.Errorf("compensated %d times", n)
			}
			if s.count("ApplyChanges") > 1 || s.count("CutOver") > 0 {
				t.Errorf("it was tried again: %v", s.calls)
			}
		})
	}
}

// TestPassingFailure: an error that may pass is tried again, and leaves no trace.
func TestPassingFailure(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	tries := 0
	s.cutOver = func(in activities.CutoverInput) (activities.CutoverResult, error) {
		if tries++; tries < 3 {
			return activities.CutoverResult{}, errors.New("the destination does not answer")
		}
		return activities.CutoverResult{Completed: true, Position: in.From}, nil
	}
	s.signalAt(2*hour, migration.MessageCutover)
	s.play()
	if st := s.ended(migration.Completed); tries != 3 || len(st.Notices) > 0 {
		t.Errorf("%d tries, %v", tries, messagesOf(st))
	}
}

// TestOpenedBeforeTheFailure: past the point of no return nothing is undone, and
// the migration is what it is: completed.
func TestOpenedBeforeTheFailure(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.cutOver = func(activities.CutoverInput) (activities.CutoverResult, error) {
		return activities.CutoverResult{}, failing(migration.AccessDenied)
	}
	s.compensate = func() (activities.Compensation, error) { return activities.Compensation{Opened: true}, nil }
	s.signalAt(2*hour, migration.MessageCutover)
	s.play()
	st := s.ended(migration.Completed)
	if !st.Source.WritesBlocked || len(st.Notices) != 1 || st.Error != "" || s.GetWorkflowError() != nil {
		t.Errorf("%+v, %v", st.Source, messagesOf(st))
	}
}
