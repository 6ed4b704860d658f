package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"mongoferry/activities"
	"mongoferry/internal/migration"
)

// sliceLength bounds one activity of the continuous sync; a message ends it
// early, so it only sets how often the workflow's own copy of the numbers moves.
const sliceLength = time.Minute

// catchUp applies the changes since the start point until the lag is under the
// threshold.
func (m *run) catchUp(ctx workflow.Context) error {
	for {
		if err := m.awaitResume(ctx); err != nil {
			return err
		}
		if err := m.slice(ctx, true); err != nil {
			return err
		}
		lag := time.Duration(m.Status.Replication.LagSeconds) * time.Second
		if m.Status.InitialSync.Completed && lag <= m.spec.ReadyLag && !m.Status.Paused {
			return nil
		}
		if err := m.continueIfLong(ctx); err != nil {
			return err
		}
	}
}

// syncUntilCutover keeps both clusters in sync until the operator has cut over
// or the timer has ended.
func (m *run) syncUntilCutover(ctx workflow.Context) error {
	for {
		if err := m.awaitResume(ctx); err != nil {
			return err
		}
		switch {
		case m.Timer.Expired:
			return errExpired
		case m.cutover.wanted:
			done, err := m.cutOver(ctx)
			if done || err != nil {
				return err
			}
		default:
			if err := m.lookAndSlice(ctx); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !m.cutover.wanted && !m.Timer.Expired {
			if err := m.continueIfLong(ctx); err != nil {
				return err
			}
		}
	}
}

// lookAndSlice looks at indexes, if that is due, and then applies changes, unless a
// message came meanwhile that wants something else.
func (m *run) lookAndSlice(ctx workflow.Context) error {
	if err := m.lookWhenDue(ctx); err != nil {
		return err
	}
	if m.Status.Paused || m.Timer.Expired || m.cutover.wanted {
		return nil
	}
	return m.slice(ctx, false)
}

// slice applies changes for a while, from where the last one ended.
func (m *run) slice(ctx workflow.Context, catchUp bool) error {
	summary := "apply changes"
	if catchUp {
		summary = "apply changes until caught up"
	}
	var result activities.SliceResult
	sliceCtx, done := m.paced(ctx)
	defer done()
	err := workflow.ExecuteActivity(step(sliceCtx, summary), m.act.ApplyChanges, activities.SliceInput{
		Spec: m.spec, From: m.Position, Duration: sliceLength, CatchUp: catchUp, Past: m.CopyEnd,
		Compatibility: m.compatibility(), Pace: m.Status.Pace,
	}).Get(ctx, &result)
	if stopped(err) && ctx.Err() == nil {
		m.recall(err)
		return nil // the next slice begins there, or where this one did
	}
	if err != nil {
		return err
	}
	m.advance(result.Position, result.Replication)
	m.refusedIndexes(ctx, result.Refused, result.RefusedOmitted)
	m.heed(ctx, result.Window, m.catchUpNeeds())
	m.touch(ctx)
	return nil
}

// recall takes in how far a slice got that was stopped when its worker had died: the
// last heartbeat comes with the news. Without it, a cutover would begin with what
// that slice, and those attempts at it before, had done already.
func (m *run) recall(err error) {
	var at activities.Position
	var live migration.Live
	if !lastHeartbeat(err, &at, &live) {
		return
	}
	if live.Replication != nil && at.OpTime.After(m.Position.OpTime) {
		m.advance(at, *live.Replication)
	}
}

// advance takes in how far an activity has applied changes; its counts of events
// are its own.
func (m *run) advance(to activities.Position, done migration.ReplicationStatus) {
	r := &m.Status.Replication
	done.EventsRead += r.EventsRead
	done.EventsApplied += r.EventsApplied
	if done.OplogWindowSeconds == 0 { // it was not looked at
		done.OplogWindowSeconds, done.OplogRemainingSeconds = r.OplogWindowSeconds, r.OplogRemainingSeconds
	}
	if to.OpTime == m.Position.OpTime { // perhaps it was stopped before it looked at the source
		done.LagSeconds = max(done.LagSeconds, r.LagSeconds)
	}
	*r = done
	m.Position = to
	r.LastAppliedOpTime = to.OpTime
	if !to.OpTime.Before(m.CopyEnd) {
		m.Status.InitialSync.Completed = true
	}
}

// addUnsuccessful notes indexes that could not be built after the copy.
func (m *run) addUnsuccessful(ctx workflow.Context, indexes []migration.UnsuccessfulIndex, omitted int) {
	listed, more := migration.ListIndexes(append(m.Copy.Unsuccessful, indexes...))
	m.refusedIndexes(ctx, listed, m.Copy.Omitted+omitted+more)
}
