// Package workflows orchestrates a migration. It reads like the operator's
// runbook: every step that touches the world is an activity, what must survive
// is in State, and nothing here knows MongoDB.
package workflows

import (
	"go.temporal.io/sdk/workflow"

	"mongoferry/activities"
	"mongoferry/internal/migration"
)

// Migrate moves the source to the destination and returns the final status of a
// completed or expired migration. A canceled one ends as canceled, a failed one
// with an application error whose type is the kind of the fault.
func Migrate(ctx workflow.Context, in Input) (migration.Status, error) {
	m, err := begin(ctx, in)
	if err != nil {
		return migration.Status{}, err
	}
	err = m.runbook(ctx)
	return m.end(ctx, err)
}

// run is one execution of the workflow, between two continue-as-new.
type run struct {
	*State
	spec migration.Spec
	act  *activities.Activities
	// interrupts cancel the activities under way that may stop at any moment, so
	// that a message acts at once.
	interrupts []*interrupt
	// running is how many jobs of jobs are under way.
	running int
	// divided is by how many the max rate was divided for the copies under way.
	divided int
	// timerChanged wakes the watch of the cutover timer.
	timerChanged bool
	cutover      cutoverRequest
	// ending says that the migration is being undone: no message changes that.
	ending bool
}

// runbook is the whole migration, in order. Steps that an earlier run of this
// workflow has finished are passed over by phase.
func (m *run) runbook(ctx workflow.Context) error {
	steps := []struct {
		phase migration.Phase
		do    func(workflow.Context) error
		next  migration.Phase
	}{
		{migration.Validating, m.validate, migration.Preparing},
		{migration.Preparing, m.prepare, migration.Copying},
		{migration.Copying, m.copyAll, migration.CatchingUp},
		{migration.CatchingUp, m.catchUp, migration.Ready},
		{migration.Ready, m.syncUntilCutover, migration.Finalizing},
		{migration.Finalizing, m.finalize, migration.CleaningUp},
		{migration.CleaningUp, m.cleanUp, migration.Completed},
	}
	for _, s := range steps {
		if m.Status.Phase != s.phase {
			continue
		}
		if err := s.do(ctx); err != nil {
			return err
		}
		m.enter(ctx, s.next)
	}
	return nil
}

// validate runs every preflight check; a blocking finding ends the migration
// before anything was changed.
func (m *run) validate(ctx workflow.Context) error {
	var checked activities.Checked
	err := workflow.ExecuteActivity(check(ctx, "check both clusters"), m.act.Validate, m.spec).Get(ctx, &checked)
	if err != nil {
		return err
	}
	m.SearchAttributes = checked.SearchAttributes
	source, destination := checked.Validation.Source, checked.Validation.Destination
	source.URI, destination.URI = m.Status.Source.URI, m.Status.Destination.URI
	m.Status.Source, m.Status.Destination = source, destination
	for _, f := range checked.Validation.Findings {
		if f.Severity == migration.Warning {
			m.Status.Warnings = append(m.Status.Warnings, f.Message)
		}
	}
	return blocked(checked.Validation.Findings)
}

// prepare claims the destination, fixes the start point, creates the
// collections and plans the copy.
func (m *run) prepare(ctx workflow.Context) error {
	m.Claimed = true
	err := workflow.ExecuteActivity(step(ctx, "claim the destination"), m.act.Claim, m.spec).Get(ctx, nil)
	if err != nil {
		m.Claimed = reasonOf(err).kind != migration.DestinationClaimed
		return err
	}
	err = workflow.ExecuteActivity(step(ctx, "read the catalog, create collections, plan the copy"),
		m.act.Prepare, m.spec).Get(ctx, &m.Plan)
	if err != nil {
		return err
	}
	m.Position = m.Plan.Start
	c := &m.Status.Copy
	c.Namespaces, c.Documents.Total, c.Bytes.Total, c.Indexes.Total =
		m.Plan.Namespaces, m.Plan.Documents, m.Plan.Bytes, m.Plan.Indexes
	m.Status.Replication.LastAppliedOpTime = m.Position.OpTime
	return nil
}
