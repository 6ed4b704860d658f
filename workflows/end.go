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
		m.compensate(ctx)
		m.enter(ctx, migration.Canceled)
		return migration.Status{}, temporal.NewCanceledError()
	default:
		return migration.Status{}, m.fail(ctx, err)
	}
}

func (m *run) expire(ctx workflow.Context) {
	m.compensate(ctx)
	m.enter(ctx, migration.Expired)
	m.notice(ctx, "the cutover window has ended: the sync has stopped, the source was not touched, and the destination keeps "+
		"the data as of %s, its indexes without their unique and TTL properties. To migrate, start again with another --id and --drop-destination",
		m.Position.OpTime)
}

func (m *run) fail(ctx workflow.Context, err error) error {
	why := reasonOf(err)
	m.Status.Error = why.text
	m.compensate(ctx)
	m.enter(ctx, migration.Failed)
	return temporal.NewNonRetryableApplicationError(why.text, string(why.kind), nil)
}

// compensate undoes what the migration did beside copying data: a write block of
// ours, the marker, the metadata. It runs although the workflow is cancelled.
func (m *run) compensate(ctx workflow.Context) {
	m.interruptWork()
	if !m.Claimed {
		return
	}
	after, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	var done activities.Compensation
	err := workflow.ExecuteActivity(bounded(after, "undo: write block, marker, metadata", compensationPatience),
		m.act.Compensate, m.spec).Get(after, &done)
	switch {
	case err != nil:
		m.notice(ctx, "could not clean up, run: starter cleanup %s: %s", m.spec.ID, reasonOf(err).text)
	case done.Opened:
		m.Status.Source.WritesBlocked = m.spec.SourceWrites == migration.BlockWrites
		m.addUnsuccessful(done.Unsuccessful)
		m.notice(ctx, "the destination was open for writes already and keeps everything; the source was left as it is")
	}
}
