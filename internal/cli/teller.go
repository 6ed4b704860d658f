package cli

import (
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/converter"

	"mongoferry/internal/migration"
)

// teller turns a workflow's events into what an operator wants to know: events
// of Temporal's own machinery say nothing.
type teller struct {
	entries []happened
	// steps names the activities by the event that scheduled them.
	steps  map[int64]string
	phase  migration.Phase
	paused bool
	last   migration.Notice
}

func (t *teller) add(e *historypb.HistoryEvent, what, format string, args ...any) {
	t.entries = append(t.entries, happened{
		At: stamp(e.GetEventTime().AsTime()), What: what, Text: oneLine(fmt.Errorf(format, args...)),
	})
}

// tell takes in one event.
func (t *teller) tell(e *historypb.HistoryEvent) {
	switch e.GetEventType() {
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED, enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
		enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED, enumspb.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT, enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCELED:
		t.step(e)
	case enumspb.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED:
		t.memo(e)
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
		t.add(e, "signal", "%s", e.GetWorkflowExecutionSignaledEventAttributes().GetSignalName())
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
		t.add(e, "update", "%s", e.GetWorkflowExecutionUpdateAcceptedEventAttributes().GetAcceptedRequest().GetInput().GetName())
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED:
		if f := e.GetWorkflowExecutionUpdateCompletedEventAttributes().GetOutcome().GetFailure(); f != nil {
			t.add(e, "refused", "%s", f.GetMessage())
		}
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
		t.add(e, "cancel", "requested")
	default:
		t.life(e)
	}
}

// life tells of the beginning and the end.
func (t *teller) life(e *historypb.HistoryEvent) {
	switch e.GetEventType() {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		if e.GetWorkflowExecutionStartedEventAttributes().GetContinuedExecutionRunId() == "" {
			t.add(e, "started", "%s", summaryOf(e.GetUserMetadata()))
		}
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
		t.add(e, "ended", "%s", t.phase)
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
		t.add(e, "ended", "failed: %s", cause(e.GetWorkflowExecutionFailedEventAttributes().GetFailure()))
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED:
		t.add(e, "ended", "canceled")
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
		t.add(e, "ended", "terminated: %s", e.GetWorkflowExecutionTerminatedEventAttributes().GetReason())
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:
		t.add(e, "ended", "timed out")
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED:
		t.add(e, "worker", "cannot go on: %s", cause(e.GetWorkflowTaskFailedEventAttributes().GetFailure()))
	default: // Temporal's machinery
	}
}

// step tells of activities. Retries show in the event that starts the last
// attempt, which Temporal writes when that has ended.
func (t *teller) step(e *historypb.HistoryEvent) {
	switch e.GetEventType() {
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		name := e.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName()
		if summary := summaryOf(e.GetUserMetadata()); summary != "" {
			name = summary
		}
		t.steps[e.GetEventId()] = name
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED:
		a := e.GetActivityTaskStartedEventAttributes()
		if a.GetAttempt() > 1 {
			t.add(e, "retry", "%s, attempt %d, after: %s", t.steps[a.GetScheduledEventId()], a.GetAttempt(), cause(a.GetLastFailure()))
		}
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		t.add(e, "done", "%s", t.steps[e.GetActivityTaskCompletedEventAttributes().GetScheduledEventId()])
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED:
		a := e.GetActivityTaskFailedEventAttributes()
		t.add(e, "failed", "%s: %s", t.steps[a.GetScheduledEventId()], cause(a.GetFailure()))
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
		a := e.GetActivityTaskTimedOutEventAttributes()
		t.add(e, "failed", "%s: %s", t.steps[a.GetScheduledEventId()], cause(a.GetFailure()))
	default:
		t.add(e, "stopped", "%s", t.steps[e.GetActivityTaskCanceledEventAttributes().GetScheduledEventId()])
	}
}

// memo tells what changed between two status documents in the memo.
func (t *teller) memo(e *historypb.HistoryEvent) {
	s, ok := statusOfMemo(e.GetWorkflowPropertiesModifiedEventAttributes().GetUpsertedMemo())
	if !ok {
		return
	}
	if s.Phase != t.phase {
		t.add(e, "phase", "%s", s.Phase)
		t.phase = s.Phase
	}
	if s.Paused != t.paused {
		t.paused = s.Paused
		t.add(e, "paused", "%t", s.Paused)
	}
	for _, n := range t.news(s.Notices) {
		t.add(e, "notice", "%s", n.Message)
	}
}

// news are the notices behind the last one that was told; the document keeps
// only so many.
func (t *teller) news(notices []migration.Notice) []migration.Notice {
	start := 0
	for i, n := range notices {
		if n == t.last {
			start = i + 1
		}
	}
	if len(notices) > 0 {
		t.last = notices[len(notices)-1]
	}
	return notices[start:]
}

// summaryOf reads a summary; summaries travel in clear.
func summaryOf(m *sdkpb.UserMetadata) string {
	var text string
	if m.GetSummary() == nil {
		return ""
	}
	if err := converter.GetDefaultDataConverter().FromPayload(m.GetSummary(), &text); err != nil {
		return ""
	}
	return text
}

// cause is the innermost message of a failure.
func cause(f *failurepb.Failure) string {
	if f == nil {
		return ""
	}
	for f.GetCause() != nil {
		f = f.GetCause()
	}
	return oneLine(errors.New(f.GetMessage()))
}
