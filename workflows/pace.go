package workflows

import (
	"go.temporal.io/sdk/workflow"

	"mongoferry/internal/migration"
)

// width is what runs at once, over all workers together.
type width struct{ copies, builds int }

// widths follow load. More than four copies are worth it only where there is much
// latency or the servers have many cores.
var widths = map[migration.Load]width{
	migration.LoadLow:    {copies: 1, builds: 1},
	migration.LoadNormal: {copies: 4, builds: 2},
	migration.LoadHigh:   {copies: 8, builds: 4},
}

func (m *run) copies() int { return widths[m.Status.Pace.Load].copies }

func (m *run) builds() int { return widths[m.Status.Pace.Load].builds }

// refuseTuning says what is wrong with a wish for another pace.
func (m *run) refuseTuning(in message) *refusal {
	if in.wrong != nil {
		return refused(refusedTuning, `it cannot be read (%s): want an object like {"load":"low","maxRate":"20MB/s"}`, in.wrong)
	}
	if _, err := in.tuning.Of(m.Status.Pace); err != nil {
		return refused(refusedTuning, "%s", err)
	}
	return nil
}

// tune changes the pace. What is under way ends early and is begun again where it
// stopped. Index builds are left alone: they would begin anew.
func (m *run) tune(ctx workflow.Context, wish migration.Tuning) string {
	pace, err := wish.Of(m.Status.Pace)
	if err == nil && pace != m.Status.Pace {
		m.Status.Pace = pace
		m.repace()
	}
	m.publish(ctx)
	return m.Status.Pace.String()
}

// repace lets what has a pace be begun again with that of now.
func (m *run) repace() {
	for _, i := range m.interrupts {
		if i.pace {
			i.cancel()
		}
	}
}

// copyPace is the pace of a unit: its share of the max rate, in as many parts as
// units will be under way.
func (m *run) copyPace() migration.Pace {
	m.divided = m.copiesAhead()
	return m.Status.Pace.Share(m.divided)
}

// copiesAhead is how many units are under way once all that may be are.
func (m *run) copiesAhead() int {
	c := m.Copy
	return min(m.copies(), m.running+len(c.Interrupted)+m.Plan.Units-c.NextUnit)
}

// redivide gives the copies under way larger shares of the max rate when there are
// no longer as many as it was divided for.
func (m *run) redivide() {
	if n := m.copiesAhead(); m.Status.Pace.MaxRate.Limited() && n > 0 && n < m.divided {
		m.divided = n
		m.repace()
	}
}
