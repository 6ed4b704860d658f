package bench

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"

	"mongoferry/internal/migration"
)

// Activities that a timeline is asked about.
const (
	actPrepare = "Prepare"
	actCopy    = "CopyUnit"
	actIndex   = "BuildIndexes"
	actApply   = "ApplyChanges"
)

// timeline is when the activities of a migration were scheduled, began and ended, as
// Temporal has noted it. Reading it costs the servers next to nothing.
type timeline struct {
	events client.HistoryEventIterator
	steps  map[int64]*step
	order  []*step
}

// step is one activity; its times are zero while it has not come so far.
type step struct {
	kind                     string
	scheduled, started, done time.Time
}

// follow waits for the migration's events until the timeline is as wanted.
func (t *timeline) follow(wanted func(*timeline) bool) error {
	for !wanted(t) {
		if !t.events.HasNext() {
			return fmt.Errorf("the migration ended too early")
		}
		e, err := t.events.Next()
		if err != nil {
			return fmt.Errorf("follow the migration: %w", err)
		}
		if err := t.take(e); err != nil {
			return err
		}
	}
	return nil
}

func (t *timeline) take(e *history.HistoryEvent) error {
	at := e.GetEventTime().AsTime()
	switch e.GetEventType() {
	case enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		s := &step{kind: e.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName(), scheduled: at}
		t.steps[e.GetEventId()] = s
		t.order = append(t.order, s)
	case enums.EVENT_TYPE_ACTIVITY_TASK_STARTED:
		t.steps[e.GetActivityTaskStartedEventAttributes().GetScheduledEventId()].started = at
	case enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		t.steps[e.GetActivityTaskCompletedEventAttributes().GetScheduledEventId()].done = at
	case enums.EVENT_TYPE_ACTIVITY_TASK_FAILED, enums.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT,
		enums.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED, enums.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
		return fmt.Errorf("the migration failed, or began anew: %s", e)
	}
	return nil
}

// scheduled says whether so many activities of a kind have been asked for.
func scheduled(kind string, n int) func(*timeline) bool {
	return func(t *timeline) bool { return t.count(kind, func(*step) bool { return true }) >= n }
}

// finished says whether so many activities of a kind have ended.
func finished(kind string, n int) func(*timeline) bool {
	return func(t *timeline) bool { return t.count(kind, func(s *step) bool { return !s.done.IsZero() }) >= n }
}

func (t *timeline) count(kind string, counts func(*step) bool) (n int) {
	for _, s := range t.order {
		if s.kind == kind && counts(s) {
			n++
		}
	}
	return n
}

// span is from the first start to the last end of the activities of a kind; the same
// time twice when there were none.
func (t *timeline) span(kind string) (from, to time.Time) {
	for _, s := range t.order {
		if s.kind != kind || s.done.IsZero() {
			continue
		}
		if from.IsZero() || s.started.Before(from) {
			from = s.started
		}
		if s.done.After(to) {
			to = s.done
		}
	}
	return from, to
}

// copied is the end of the copy with its indexes, if there are any to build.
func (t *timeline) copied() time.Time {
	_, copied := t.span(actCopy)
	if _, indexed := t.span(actIndex); indexed.After(copied) {
		return indexed
	}
	return copied
}

// took is how long a kind of activities took together, from the first start on.
func (t *timeline) took(kind string) time.Duration {
	from, to := t.span(kind)
	return to.Sub(from)
}

// voyage is a migration under way.
type voyage struct {
	*timeline
	id      string
	started time.Time
	cancel  context.CancelFunc
}

// voyagePatience bounds a migration: one that is stuck tries for ever.
const voyagePatience = 20 * time.Minute

// begin starts a migration between two addresses.
func (r *rig) begin(ctx context.Context, c *crew, source, destination string) (*voyage, error) {
	v := &voyage{id: c.queue, started: time.Now()}
	spec := migration.Spec{
		ID: v.id, Source: migration.Endpoint{URI: source}, Destination: migration.Endpoint{URI: destination},
		Include: []string{database + ".*"},
	}.WithDefaults()
	_, err := r.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: v.id, TaskQueue: c.queue},
		migration.WorkflowMigrate, workflowInput(spec))
	if err != nil {
		return nil, fmt.Errorf("start a migration: %w", err)
	}
	following, cancel := context.WithTimeout(ctx, voyagePatience)
	v.cancel = cancel
	v.timeline = &timeline{
		events: r.client.GetWorkflowHistory(following, v.id, "", true, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT),
		steps:  map[int64]*step{},
	}
	return v, nil
}

// abandon ends a migration that has shown what there was to see, as nobody should who
// wants to keep anything of it: what it leaves is dropped.
func (r *rig) abandon(ctx context.Context, v *voyage, c *crew) error {
	v.cancel()
	if err := r.client.TerminateWorkflow(ctx, v.id, "", "measured"); err != nil {
		return fmt.Errorf("end a migration: %w", err)
	}
	return c.dismiss()
}
