package workflows

import (
	"errors"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"mongoferry/internal/migration"
)

// begin sets a run up: its state, the query, the messages, the timer's watch.
func begin(ctx workflow.Context, in Input) (*run, error) {
	m := &run{State: in.State, spec: in.Spec.WithDefaults()}
	if m.State == nil {
		m.State = newState(m.spec, workflow.Now(ctx))
	}
	m.Status.Pace = m.Status.Pace.WithDefaults() // a state of before there was one
	if err := workflow.SetQueryHandler(ctx, migration.QueryStatus, m.status); err != nil {
		return nil, err
	}
	if err := m.listen(ctx); err != nil {
		return nil, err
	}
	workflow.Go(ctx, m.watchTimer)
	m.publish(ctx)
	return m, nil
}

// interruptible gives a context for an activity that stops, with what it has
// done so far as its result, when a message needs the migration's attention. The
// activity is over when done is called.
func (m *run) interruptible(ctx workflow.Context) (child workflow.Context, done func()) {
	return m.interruptibleBy(ctx, false)
}

// paced is interruptible, also for an activity that has another pace when it is
// begun again.
func (m *run) paced(ctx workflow.Context) (child workflow.Context, done func()) {
	return m.interruptibleBy(ctx, true)
}

func (m *run) interruptibleBy(ctx workflow.Context, pace bool) (child workflow.Context, done func()) {
	child, cancel := workflow.WithCancel(ctx)
	i := &interrupt{cancel: cancel, pace: pace}
	m.interrupts = append(m.interrupts, i)
	return child, func() {
		m.interrupts = slices.DeleteFunc(m.interrupts, func(other *interrupt) bool { return other == i })
	}
}

// interrupt stops an activity under way; pace says that another pace does so too.
type interrupt struct {
	cancel workflow.CancelFunc
	pace   bool
}

// interruptWork stops the activities under way.
func (m *run) interruptWork() {
	for _, i := range m.interrupts {
		i.cancel()
	}
}

// stopped says whether an activity ended only because it was told to: it was
// cancelled before a worker took it, or its worker died before it could tell
// how far it got, or it failed in a way that would have been tried again. An
// activity that was not cancelled is retried instead.
func stopped(err error) bool {
	var failure *temporal.ActivityError
	return temporal.IsCanceledError(err) || temporal.IsTimeoutError(err) ||
		errors.As(err, &failure) && failure.RetryState() == enumspb.RETRY_STATE_CANCEL_REQUESTED
}

// lastHeartbeat reads the last heartbeat of an attempt whose worker had died, when it
// came with the news.
func lastHeartbeat(err error, details ...any) bool {
	var timeout *temporal.TimeoutError
	return errors.As(err, &timeout) && timeout.HasLastHeartbeatDetails() && timeout.LastHeartbeatDetails(details...) == nil
}

// awaitResume holds while the migration is paused, unless something else needs
// attention (the timer has ended). Meanwhile the oplog is watched.
func (m *run) awaitResume(ctx workflow.Context) error {
	resumed := func() bool { return !m.Status.Paused || m.Timer.Expired }
	if resumed() {
		return ctx.Err()
	}
	return m.watched(ctx, func(ctx workflow.Context) error { return workflow.Await(ctx, resumed) })
}

// continueIfLong starts the workflow anew with the same state when its history
// has become long. Nothing may be under way.
func (m *run) continueIfLong(ctx workflow.Context) error {
	if !workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
		return nil
	}
	return m.continueAsNew(ctx)
}

// continueAsNew first lets the messages that came with this task be obeyed, so
// that none is lost. It stays in this run when a cutover was among them: that
// wish is no part of the state.
func (m *run) continueAsNew(ctx workflow.Context) error {
	obeyed := false
	workflow.Go(ctx, func(workflow.Context) { obeyed = true }) // its turn comes after those that listen
	err := workflow.Await(ctx, func() bool {
		return obeyed && (workflow.AllHandlersFinished(ctx) || m.cutover.wanted)
	})
	if err != nil || m.cutover.wanted {
		return err
	}
	return workflow.NewContinueAsNewError(ctx, Migrate, Input{Spec: m.spec, State: m.State})
}
