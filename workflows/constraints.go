package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"mongoferry/activities"
	"mongoferry/internal/migration"
)

const (
	// lookShare is how many times its own length passes between a look and the next,
	// within minLookPause and maxLookPause: changes wait while one is at work.
	lookShare    = 20
	minLookPause = time.Minute
	maxLookPause = time.Hour
	// noticedIndexes bounds the notices of indexes that come at once: each is events in
	// the history.
	noticedIndexes = 10
)

// LookState is what the looks at indexes in phase ready have found, and when the
// next one is due.
type LookState struct {
	Next     time.Time                     `json:"next"`
	Last     activities.Look               `json:"last"`
	Building []migration.UnsuccessfulIndex `json:"building,omitempty"`
	// Trouble is why the last one failed.
	Trouble string `json:"trouble,omitempty"`
}

// lookWhenDue looks at what stands against indexes, between two slices and while
// the lag is small. A message interrupts it. It never ends the migration.
func (m *run) lookWhenDue(ctx workflow.Context) error {
	lag := time.Duration(m.Status.Replication.LagSeconds) * time.Second
	if workflow.Now(ctx).Before(m.Look.Next) || lag > m.spec.ReadyLag {
		return nil
	}
	lookCtx, done := m.interruptible(ctx)
	defer done()
	var result activities.ConstraintsResult
	err := workflow.ExecuteActivity(look(lookCtx, "look for what stands against indexes"), m.act.LookAtConstraints,
		activities.ConstraintsInput{Spec: m.spec, From: m.Position, Look: m.Look.Last}).Get(ctx, &result)
	pause := min(max(lookShare*result.Took, minLookPause), maxLookPause)
	m.Look.Next = workflow.Now(ctx).Add(pause)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return ctx.Err()
	case stopped(err):
		return nil
	default:
		if trouble := reasonOf(err).text; trouble != m.Look.Trouble {
			m.Look.Trouble = trouble
			m.notice(ctx, "the look for what stands against indexes failed: %s", trouble)
		}
		return nil
	}
	m.Look.Trouble = ""
	m.Look.Last, m.Look.Building = result.Look, result.Building
	// The lane of the replication has been taken over in between.
	m.Position.Epoch = result.Epoch
	m.listIndexes(ctx)
	m.touch(ctx)
	return nil
}

// look is for an activity that may take long, and of which the next may succeed.
func look(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithRetryPolicy(step(ctx, summary), temporal.RetryPolicy{
		InitialInterval: time.Second, MaximumAttempts: 3, NonRetryableErrorTypes: forSomebody(),
	})
}

// refusedIndexes takes in the indexes that the destination has refused so far.
func (m *run) refusedIndexes(ctx workflow.Context, indexes []migration.UnsuccessfulIndex, omitted int) {
	m.Copy.Unsuccessful, m.Copy.Omitted = indexes, omitted
	m.listIndexes(ctx)
}

// listIndexes brings the status up to date: what the destination has refused, what
// stands against unique indexes, what is being built. What has come to it as failed
// is told in a notice, many at once in one.
func (m *run) listIndexes(ctx workflow.Context) {
	before := m.Status.Cutover.UnsuccessfulIndexes
	all := slices.Concat(m.Copy.Unsuccessful, m.Look.Last.Violations)
	c := &m.Status.Cutover
	c.UnsuccessfulIndexes, c.UnsuccessfulIndexesOmitted = migration.ListIndexes(slices.Concat(all, m.Look.Building))
	c.UnsuccessfulIndexesOmitted += m.Copy.Omitted + m.Look.Last.Omitted
	var news []migration.UnsuccessfulIndex
	told, _ := migration.ListIndexes(all) // what is not listed cannot be told from news
	for _, i := range told {
		if !slices.ContainsFunc(before, func(b migration.UnsuccessfulIndex) bool {
			return b.Namespace == i.Namespace && b.IndexName == i.IndexName && b.Type == i.Type
		}) {
			news = append(news, i)
		}
	}
	for _, i := range news[:min(len(news), noticedIndexes)] {
		m.notice(ctx, "index %s of %s: %s", i.IndexName, i.Namespace, i.Reason)
	}
	if more := len(news) - noticedIndexes; more > 0 {
		m.notice(ctx, "and %d more indexes: the status lists them", more)
	}
}
