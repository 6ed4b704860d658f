package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/workflow"

	"mongoferry/activities"
)

// copyAll is the initial sync: every unit of the plan, then every index, then
// the source's optime that marks the end of the copy.
func (m *run) copyAll(ctx workflow.Context) error {
	if err := m.parallel(ctx, m.copies, m.nextCopy, m.Copy.copiesInterrupted); err != nil {
		return err
	}
	if err := m.parallel(ctx, m.builds, m.nextBuild, m.Copy.buildsInterrupted); err != nil {
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

// parallel does jobs, so many at a time as width says, until next has none left. It holds while the
// migration is paused, and continues as new when the history has become long.
// interrupted says whether there are jobs of this kind to be taken up again.
func (m *run) parallel(ctx workflow.Context, width func() int, next func() job, interrupted func() bool) error {
	for {
		if err := m.awaitResume(ctx); err != nil {
			return err
		}
		left := false
		err := m.watched(ctx, func(ctx workflow.Context) (err error) {
			left, err = m.jobs(ctx, width, next, interrupted)
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
// (true), with nothing under way in either case. The width may change meanwhile.
func (m *run) jobs(ctx workflow.Context, width func() int, next func() job, interrupted func() bool) (left bool, err error) {
	var failed error
	ended := 0
	wg := workflow.NewWaitGroup(ctx)
	halted := func() bool { return failed != nil || m.Status.Paused || ctx.Err() != nil }
	begin := func(do job) {
		m.running++
		wg.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer wg.Done()
			err := do(ctx)
			m.running--
			ended++
			if err != nil {
				failed = errors.Join(failed, err)
				m.interruptWork()
			}
			m.redivide()
		})
	}
	for !halted() {
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			left = true
			m.interruptWork()
			break
		}
		before, room := ended, m.running < width()
		if room {
			if do := next(); do != nil {
				begin(do)
				continue
			}
			if m.running == 0 {
				break
			}
		}
		// One that ends may have been interrupted, and is then to be begun again; its
		// end is also when another width shows.
		if err := workflow.Await(ctx, func() bool { return halted() || ended > before || !room && m.running < width() }); err != nil {
			break
		}
	}
	left = left || m.Status.Paused
	wg.Wait(ctx)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	return left || interrupted(), failed
}

func (c *CopyState) copiesInterrupted() bool { return len(c.Interrupted) > 0 }

func (c *CopyState) buildsInterrupted() bool { return len(c.InterruptedIndex) > 0 }

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
	return func(ctx workflow.Context) error {
		ctx, done := m.paced(ctx)
		defer done()
		return m.copyUnit(ctx, unit)
	}
}

func (m *run) copyUnit(ctx workflow.Context, unit Interrupted) error {
	var result activities.CopyResult
	summary := fmt.Sprintf("copy unit %d of %d", unit.Unit+1, m.Plan.Units)
	err := workflow.ExecuteActivity(step(ctx, summary), m.act.CopyUnit, activities.CopyInput{
		Spec: m.spec, Unit: unit.Unit, After: m.Plan.Start.OpTime, Resume: unit.Resume, Pace: m.copyPace(),
	}).Get(ctx, &result)
	switch {
	case stopped(err):
		result = unit.recall(err)
	case err != nil:
		return err
	}
	before := unit.at()
	m.Status.Copy.Add(result.Copied.Minus(before.Copied))
	m.Status.Copy.NamespacesCompleted += result.Namespaces - before.Completed
	if err != nil || result.Resume != nil {
		m.Copy.Interrupted = append(m.Copy.Interrupted, Interrupted{Unit: unit.Unit, Resume: result.Resume})
	}
	m.touch(ctx)
	return nil
}

// at is how far the unit had come when it was taken up.
func (u Interrupted) at() activities.CopyResume {
	if u.Resume == nil {
		return activities.CopyResume{}
	}
	return *u.Resume
}

// recall is the result of a unit that was stopped when its worker had died: how far the
// last heartbeat says that it had come. Where the news brings none, it is where it was
// taken up.
func (u Interrupted) recall(err error) activities.CopyResult {
	var last *activities.CopyResume
	if lastHeartbeat(err, &last) && last != nil {
		u.Resume = last
	}
	return activities.CopyResult{Resume: u.Resume, Copied: u.at().Copied, Namespaces: u.at().Completed}
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
	return func(ctx workflow.Context) error {
		ctx, done := m.interruptible(ctx)
		defer done()
		return m.buildIndexes(ctx, unit)
	}
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
