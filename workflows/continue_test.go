package workflows

import (
	"errors"
	"testing"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"mongoferry/activities"
	"mongoferry/internal/migration"
)

// TestContinueAsNew plays a migration whose history becomes long again and again:
// what it knows goes along.
func TestContinueAsNew(t *testing.T) {
	t.Parallel()
	in := Input{Spec: spec()}
	copied, runs := 0, 0
	var deadline string
	for {
		s := newStage(t)
		switch runs {
		case 0: // in the middle of the copy
			s.at(90*time.Second, func() { s.SetContinueAsNewSuggested(true) })
		case 1: // in ready, the timer running
			s.signalAt(hour, migration.MessageExtend)
			s.at(2*hour, func() { s.SetContinueAsNewSuggested(true) })
		default:
			s.signalAt(hour, migration.MessageCutover)
		}
		s.ExecuteWorkflow(Migrate, in)
		runs++
		copied += s.count("CopyUnit")
		var next *workflow.ContinueAsNewError
		if !errors.As(s.GetWorkflowError(), &next) {
			st := s.ended(migration.Completed)
			if runs != 3 || st.Copy.Documents.Copied != 60 || st.Copy.Indexes.Built != 2 || st.Cutover.Extensions != 1 || st.Cutover.Deadline != deadline {
				t.Errorf("after %d runs: %+v, deadline %s", runs, st, deadline)
			}
			if s.count("Claim") > 0 || s.count("Prepare") > 0 || s.count("CopyUnit") > 0 {
				t.Errorf("the last run did over again: %v", s.order())
			}
			break
		}
		if err := converter.GetDefaultDataConverter().FromPayloads(next.Input, &in); err != nil {
			t.Fatal(err)
		}
		deadline = stamp(in.State.Timer.Deadline)
	}
	// Units that were interrupted are begun again where they stopped.
	if copied < 6 || copied > 6+4 {
		t.Errorf("%d units were begun", copied)
	}
}

// TestContinueAsNewKeepsACutover: a cutover that is asked for as the history
// becomes long is not forgotten.
func TestContinueAsNewKeepsACutover(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	slices := 0
	s.applyChanges = func(in activities.SliceInput) (activities.SliceResult, error) {
		if slices++; slices == 3 {
			s.SignalWorkflowSkippingWorkflowTask(migration.MessageCutover, nil)
			s.SetContinueAsNewSuggested(true)
		}
		return slice(in, 0), nil
	}
	s.play()
	s.ended(migration.Completed)
	if slices != 3 {
		t.Errorf("%d slices", slices)
	}
}

// TestContinueAsNewWhileBuilding goes on with a migration that continued as new while
// indexes were built: there is nothing left to copy, which must not be waited for.
func TestContinueAsNewWhileBuilding(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	state := newState(spec(), began)
	state.Status.Phase = migration.Copying
	state.Plan = s.plan()
	state.Claimed, state.Position = true, state.Plan.Start
	state.Copy = CopyState{NextUnit: state.Plan.Units, NextIndexUnit: state.Plan.IndexUnits, InterruptedIndex: []int{1}}
	s.signalAt(hour, migration.MessageCutover)
	s.ExecuteWorkflow(Migrate, Input{Spec: spec(), State: state})
	s.ended(migration.Completed)
	if builds, copies := s.count("BuildIndexes"), s.count("CopyUnit"); builds != 1 || copies != 0 {
		t.Errorf("%d builds and %d copies, want the interrupted build alone", builds, copies)
	}
}
