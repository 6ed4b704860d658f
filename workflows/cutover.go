package workflows

import (
	"strings"

	"go.temporal.io/sdk/workflow"

	"mongoferry/activities"
	"mongoferry/internal/migration"
)

// cutoverRequest is what became of the operator's wishes to cut over: one may be
// waiting; the answers to those before it are nil when the cutover has begun.
type cutoverRequest struct {
	wanted  bool
	answers []*refusal
}

// answer ends the wish, either way.
func (m *run) answer(r *refusal) {
	m.cutover = cutoverRequest{answers: append(m.cutover.answers, r)}
}

// cutOver takes a fresh look at both clusters and then cuts over. It is done
// when the destination is open; otherwise the migration is in ready again.
func (m *run) cutOver(ctx workflow.Context) (done bool, err error) {
	r, err := m.readiness(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return false, err
		}
		r = refused(refusedNotReady, "the look at both clusters before the cutover failed: %s", reasonOf(err).text)
	}
	m.answer(r)
	if r != nil {
		m.notice(ctx, "cutover refused: %s", r.Text)
		return false, nil
	}
	m.Request++
	m.Status.Cutover.StartedAt = stamp(workflow.Now(ctx))
	m.enter(ctx, migration.CuttingOver)
	result, err := m.fenceAndOpen(ctx)
	if err != nil {
		return false, err
	}
	if result.Position.ResumeToken != nil {
		m.advance(result.Position, result.Replication)
	}
	if !result.Completed {
		m.enter(ctx, migration.Ready)
		m.notice(ctx, "cutover backed out, the source accepts writes: %s", result.Reason)
		return false, nil
	}
	m.Status.Source.WritesBlocked = result.SourceBlocked
	m.Status.Cutover.WritesAcceptedAt = stamp(result.WritesAcceptedAt)
	m.Status.Replication.LagSeconds = 0
	if ctx.Err() != nil {
		m.notice(ctx, "the cancel came after the point of no return: the migration completes")
	}
	return true, nil
}

// fenceAndOpen runs the cutover. When it was cancelled and its worker died
// meanwhile, nobody knows how far it got: a second look settles it.
func (m *run) fenceAndOpen(ctx workflow.Context) (activities.CutoverResult, error) {
	in := activities.CutoverInput{Spec: m.spec, From: m.Position, Request: m.Request, Compatibility: m.compatibility()}
	var result activities.CutoverResult
	err := workflow.ExecuteActivity(step(ctx, "fence the source, apply the last changes, open the destination"),
		m.act.CutOver, in).Get(ctx, &result)
	if err == nil || (!stopped(err) && ctx.Err() == nil) {
		return result, err
	}
	after, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	in.Settle = true
	err = workflow.ExecuteActivity(step(after, "find out how far the cutover got, and settle it"), m.act.CutOver, in).Get(after, &result)
	return result, err
}

// readiness refuses for what only a look at the clusters can tell.
func (m *run) readiness(ctx workflow.Context) (*refusal, error) {
	if r := m.refuseLag(); r != nil {
		return r, nil
	}
	var result activities.ReadinessResult
	err := workflow.ExecuteActivity(check(ctx, "look for what stands against a cutover"), m.act.CutoverReadiness, m.spec).
		Get(ctx, &result)
	if err != nil {
		return nil, err
	}
	if len(result.Refusals) > 0 {
		return refused(refusedNotReady, "%s", strings.Join(result.Refusals, "; ")), nil
	}
	return nil, nil
}

// finalize restores what was put off until the destination was open. Nothing
// compensates any more: a failure is noted and clean-up goes on.
func (m *run) finalize(ctx workflow.Context) error {
	after, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	var result activities.FinalizeResult
	err := workflow.ExecuteActivity(bounded(after, "restore unique, TTL and capped properties", finalizePatience),
		m.act.Finalize, m.spec).Get(after, &result)
	if err != nil {
		m.notice(ctx, "finalizing failed, see docs/what-if.md: %s", reasonOf(err).text)
		return nil
	}
	m.Status.Cutover.UnsuccessfulIndexes = append([]migration.UnsuccessfulIndex{}, result.Unsuccessful...)
	m.Status.Cutover.UnsuccessfulIndexesOmitted = result.Omitted
	return nil
}

// cleanUp removes what the migration left on the destination.
func (m *run) cleanUp(ctx workflow.Context) error {
	after, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	err := workflow.ExecuteActivity(bounded(after, "remove marker, metadata and temporary users", finalizePatience),
		m.act.CleanUp, m.spec).Get(after, nil)
	if err != nil {
		m.notice(ctx, "clean-up failed, run: starter cleanup %s: %s", m.spec.ID, reasonOf(err).text)
	}
	return nil
}
