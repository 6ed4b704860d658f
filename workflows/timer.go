package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"mongoferry/internal/migration"
)

// reminders are how long before the end of the cutover window a notice goes out.
func reminders() []time.Duration { return []time.Duration{24 * time.Hour, time.Hour} }

// startTimer starts the cutover timer when ready is first reached.
func (m *run) startTimer(ctx workflow.Context) {
	if m.Timer.Deadline.IsZero() {
		m.setDeadline(ctx, workflow.Now(ctx).Add(m.spec.CutoverWindow))
	}
}

// extend moves the deadline and sets the reminders anew.
func (m *run) extend(ctx workflow.Context) string {
	m.Status.Cutover.Extensions++
	m.setDeadline(ctx, m.Timer.Deadline.Add(m.spec.Extension))
	m.publish(ctx)
	return "cut over before " + stamp(m.Timer.Deadline)
}

func (m *run) setDeadline(ctx workflow.Context, deadline time.Time) {
	m.Timer.Deadline = deadline
	m.Timer.Reminded = 0
	m.passOverReminders(workflow.Now(ctx))
	m.timerChanged = true
}

// passOverReminders leaves out reminders whose time has passed when the deadline
// is set: a window of an hour gets no reminder "in 24 hours".
func (m *run) passOverReminders(now time.Time) {
	for _, lead := range reminders()[m.Timer.Reminded:] {
		if m.Timer.Deadline.Add(-lead).After(now) {
			return
		}
		m.Timer.Reminded++
	}
}

// nextAlarm is when the timer has something to say: a reminder or the end.
func (m *run) nextAlarm() (at time.Time, summary string) {
	if leads := reminders(); m.Timer.Reminded < len(leads) {
		lead := leads[m.Timer.Reminded]
		return m.Timer.Deadline.Add(-lead), "reminder " + lead.String() + " before the end of the cutover window"
	}
	return m.Timer.Deadline, "end of the cutover window"
}

// watchTimer runs beside the migration for as long as the workflow does. The
// timer does not stop while paused, and does not run out while cutting over.
func (m *run) watchTimer(ctx workflow.Context) {
	for {
		err := workflow.Await(ctx, func() bool {
			return !m.Timer.Deadline.IsZero() && m.Status.Phase == migration.Ready && !m.Timer.Expired && !m.cutover.wanted
		})
		if err != nil {
			return // the workflow is being cancelled
		}
		m.timerChanged = false
		at, summary := m.nextAlarm()
		changed, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
			Timeout:      max(at.Sub(workflow.Now(ctx)), 0),
			TimerOptions: workflow.TimerOptions{Summary: summary},
		}, func() bool { return m.timerChanged || m.Status.Phase.Ended() })
		if err != nil {
			return
		}
		if !changed && m.Status.Phase == migration.Ready && !m.cutover.wanted {
			m.alarm(ctx)
		}
	}
}

func (m *run) alarm(ctx workflow.Context) {
	now := workflow.Now(ctx)
	if now.Before(m.Timer.Deadline) {
		m.Timer.Reminded++
		m.notice(ctx, "the cutover window ends in %s, at %s: cut over, or extend (starter extend %s)",
			m.Timer.Deadline.Sub(now).Round(time.Minute), stamp(m.Timer.Deadline), m.spec.ID)
		return
	}
	m.Timer.Expired = true
	m.interruptWork()
}
