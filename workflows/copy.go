package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/workflow"

	"mongoferry/activities"
)

const (
	// copiesInFlight and buildsInFlight bound what runs at once, over all
	// workers together.
	copiesInFlight = 4
	buildsInFlight = 2
)

// copyAll is the initial sync: every unit of the plan, then every index, then
// the source's optime that marks the end of the copy.
func (m *run) copyAll(ctx workflow.Context) error {
	if err := m.parallel(ctx, copiesInFlight, m.nextCopy); err != nil {
		return err
	}
	if err := m.parallel(ctx, buildsInFlight, m.nextBuild); err != nil {
		return err
	}
	err := workflow.ExecuteActivity(step(ctx, "read the source's optime"), m.act.SourceOpTime, m.spec).Get(ctx, &m.CopyEnd)
	if err != nil {
		return err
	}
	m.Position.SafeAfter = m.CopyEnd
	m.Status.Copy.Completed = true
	return nil
}

// parallel does jobs, n at a time, until next has none left. It holds while the
// migration is paused, and continues as new when the history has become long.
func (m *run) parallel(ctx workflow.Context, n int, next func() job) error {
	for {
		if err := m.awaitResume(ctx); err != nil {
			return err
		}
		left := false
		err := m.watched(ctx, func(ctx workflow.Context) (err error) {
			left, err = m.jobs(ctx, n, next)
			return err
		})
		if err != nil {
			return err
		}
		if !left {
			return nil
		}
		if err := m.continueIfLong(ctx); err != nil {
			return err
		}
	}
}

// job runs one activity and takes its result into the state; nil: none left.
type job func(ctx workflow.Context) error

// jobs runs until none is left (false), or until paused or the history is long
// (true), with nothing under way in either case.
func (m *run) jobs(ctx workflow.Context, n int, next func() job) (left bool, err error) {
	var failed error
	wg := workflow.NewWaitGroup(ctx)
	for range n {
		wg.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer wg.Done()
			for failed == nil && !m.Status.Paused && !left && ctx.Err() == nil {
				if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
					left = true
					m.interruptWork()
					return
				}
				do := next()
				if do == nil {
					return
				}
				jobCtx, done := m.interruptible(ctx)
				err := do(jobCtx)
				done()
				if err != nil {
					failed = errors.Join(failed, err)
					m.interruptWork()
				}
			}
		})
	}
	wg.Wait(ctx)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	return left || m.Status.Paused || m.Copy.hasInterrupted(), failed
}

func (c CopyState) hasInterrupted() bool { return len(c.Interrupted)+len(c.InterruptedIndex) > 0 }

// nextCopy takes the next unit: one that was interrupted, or a new one.
func (m *run) nextCopy() job {
	c := &m.Copy
	var unit Interrupted
	switch {
	case len(c.Interrupted) > 0:
		unit, c.Interrupted = c.Interrupted[0], c.Interrupted[1:]
	case c.NextUnit < m.Plan.Units:
		unit = Interrupted{Unit: c.NextUnit}
		c.NextUnit++
	default:
		return nil
	}
	return func(ctx workflow.Context) error { return m.copyUnit(ctx, unit) }
}

func (m *run) copyUnit(ctx workflow.Context, unit Interrupted) error {
	var result activities.CopyResult
	summary := fmt.Sprintf("copy unit %d of %d", unit.Unit+1, m.Plan.Units)
	err := workflow.ExecuteActivity(step(ctx, summary), m.act.CopyUnit, activities.CopyInput{
		Spec: m.spec, Unit: unit.Unit, After: m.Plan.Start.OpTime, Resume: unit.Resume,
	}).Get(ctx, &result)
	if stopped(err) {
		m.Copy.Interrupted = append(m.Copy.Interrupted, unit)
		return nil
	}
	if err != nil {
		return err
	}
	before := activities.CopyResume{}
	if unit.Resume != nil {
		before = *unit.Resume
	}
	m.Status.Copy.Add(result.Copied.Minus(before.Copied))
	m.Status.Copy.NamespacesCompleted += result.Namespaces - before.Completed
	if result.Resume != nil {
		m.Copy.Interrupted = append(m.Copy.Interrupted, Interrupted{Unit: unit.Unit, Resume: result.Resume})
	}
	m.touch(ctx)
	return nil
}

// nextBuild takes the next bundle of collections whose indexes are to be built.
func (m *run) nextBuild() job {
	c := &m.Copy
	var unit int
	switch {
	case len(c.InterruptedIndex) > 0:
		unit, c.InterruptedIndex = c.InterruptedIndex[0], c.InterruptedIndex[1:]
	case c.NextIndexUnit < m.Plan.IndexUnits:
		unit = c.NextIndexUnit
		c.NextIndexUnit++
	default:
		return nil
	}
	return func(ctx workflow.Context) error { return m.buildIndexes(ctx, unit) }
}

func (m *run) buildIndexes(ctx workflow.Context, unit int) error {
	var result activities.IndexResult
	summary := fmt.Sprintf("build indexes, bundle %d of %d", unit+1, m.Plan.IndexUnits)
	err := workflow.ExecuteActivity(step(ctx, summary), m.act.BuildIndexes,
		activities.IndexInput{Spec: m.spec, Unit: unit}).Get(ctx, &result)
	if stopped(err) {
		m.Copy.InterruptedIndex = append(m.Copy.InterruptedIndex, unit)
		return nil
	}
	if err != nil {
		return err
	}
	m.Status.Copy.Indexes.Built += result.Built
	m.addUnsuccessful(ctx, result.Unsuccessful, result.Omitted)
	m.touch(ctx)
	return nil
}
