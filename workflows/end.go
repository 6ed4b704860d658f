package workflows

import (
	"errors"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"mongoferry/activities"
	"mongoferry/internal/migration"
)

// errExpired ends the runbook when the cutover timer has run out.
var errExpired = errors.New("the cutover window has ended")

// reason is what an error means to the operator.
type reason struct {
	kind migration.FaultKind
	text string
}

func reasonOf(err error) reason {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return reason{migration.FaultKind(app.Type()), migration.Redact(app.Message())}
	}
	return reason{"", migration.Redact(err.Error())}
}

// end brings the migration to its end, whatever the runbook returned: balancers
// and write block as they were, no marker, the final status published.
func (m *run) end(ctx workflow.Context, err error) (migration.Status, error) {
	switch {
	case err == nil:
		doc, _ := m.status()
		return doc, nil
	case workflow.IsContinueAsNewError(err):
		return migration.Status{}, err
	case errors.Is(err, errExpired):
		m.expire(ctx)
		doc, _ := m.status()
		return doc, nil
	case temporal.IsCanceledError(err) || ctx.Err() != nil:
		if m.compensate(ctx) {
			return m.complete(ctx, "the cancel came after the point of no return")
		}
		m.enter(ctx, migration.Canceled)
		return migration.Status{}, temporal.NewCanceledError()
	default:
		return m.fail(ctx, err)
	}
}

// complete ends a migration whose destination turned out to be open: it is
// finished, whatever was on the way.
func (m *run) complete(ctx workflow.Context, why string) (migration.Status, error) {
	m.notice(ctx, "%s: the destination was open for writes already and keeps everything; the migration is completed", why)
	m.enter(ctx, migration.Completed)
	return m.status()
}

func (m *run) expire(ctx workflow.Context) {
	m.compensate(ctx)
	m.enter(ctx, migration.Expired)
	m.notice(ctx, "the cutover window has ended: the sync has stopped, the source was not touched, and the destination keeps "+
		"the data as of %s, its indexes without their unique and TTL properties. To migrate, start again with another --id and --drop-destination",
		m.Position.OpTime)
}

func (m *run) fail(ctx workflow.Context, err error) (migration.Status, error) {
	why := reasonOf(err)
	m.Status.Error = why.text
	if m.compensate(ctx) {
		m.Status.Error = ""
		return m.complete(ctx, why.text)
	}
	m.enter(ctx, migration.Failed)
	return migration.Status{}, temporal.NewNonRetryableApplicationError(why.text, string(why.kind), nil)
}

// compensate undoes what the migration did beside copying data: a write block of
// ours, the marker, the metadata. It runs although the workflow is cancelled. When
// the destination was open already, it finishes that instead.
func (m *run) compensate(ctx workflow.Context) (opened bool) {
	m.ending = true
	m.interruptWork()
	if !m.Claimed {
		return false
	}
	after, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	var done activities.Compensation
	in := activities.CompensateInput{Spec: m.spec, Run: workflow.GetInfo(ctx).FirstRunID}
	err := workflow.ExecuteActivity(bounded(after, "undo: write block, marker, metadata", compensationPatience),
		m.act.Compensate, in).Get(after, &done)
	if err != nil {
		m.notice(ctx, "could not clean up, run: starter cleanup %s: %s", m.spec.ID, reasonOf(err).text)
		return false
	}
	if done.Opened {
		m.Status.Source.WritesBlocked = m.spec.SourceWrites == migration.BlockWrites
		m.Status.Cutover.WritesAcceptedAt = stamp(done.WritesAcceptedAt)
		m.Status.Cutover.UnsuccessfulIndexes = append([]migration.UnsuccessfulIndex{}, done.Unsuccessful...)
		m.Status.Cutover.UnsuccessfulIndexesOmitted = done.Omitted
	}
	return done.Opened
}
