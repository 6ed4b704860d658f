package bench

import (
	"testing"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// TestTimeline: a span is from the first start to the last end, whatever the order in
// which Temporal notes them, and an activity under way does not count.
func TestTimeline(t *testing.T) {
	t.Parallel()
	base := time.Unix(1_700_000_000, 0)
	line := &timeline{steps: map[int64]*step{}}
	take := func(id int64, seconds int, e *history.HistoryEvent) {
		t.Helper()
		e.EventId, e.EventTime = id, timestamppb.New(base.Add(time.Duration(seconds)*time.Second))
		if err := line.take(e); err != nil {
			t.Fatal(err)
		}
	}
	schedule := func(id int64, seconds int, kind string) {
		take(id, seconds, &history.HistoryEvent{EventType: enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
			Attributes: &history.HistoryEvent_ActivityTaskScheduledEventAttributes{ActivityTaskScheduledEventAttributes: &history.ActivityTaskScheduledEventAttributes{
				ActivityType: &common.ActivityType{Name: kind}}}})
	}
	run := func(id int64, of int64, from, to int) {
		take(id, from, &history.HistoryEvent{EventType: enums.EVENT_TYPE_ACTIVITY_TASK_STARTED,
			Attributes: &history.HistoryEvent_ActivityTaskStartedEventAttributes{ActivityTaskStartedEventAttributes: &history.ActivityTaskStartedEventAttributes{ScheduledEventId: of}}})
		take(id+1, to, &history.HistoryEvent{EventType: enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
			Attributes: &history.HistoryEvent_ActivityTaskCompletedEventAttributes{ActivityTaskCompletedEventAttributes: &history.ActivityTaskCompletedEventAttributes{ScheduledEventId: of}}})
	}
	schedule(1, 0, actCopy)
	schedule(2, 0, actCopy)
	schedule(3, 0, actIndex)
	schedule(4, 0, actCopy)
	run(5, 2, 3, 9)
	run(7, 1, 2, 8)
	if got := line.took(actCopy); got != 7*time.Second {
		t.Errorf("the copy took %s", got)
	}
	if got := line.copied(); !got.Equal(base.Add(9 * time.Second)) {
		t.Errorf("the copy ended at %s", got)
	}
	if line.took(actIndex) != 0 || line.took(actApply) != 0 {
		t.Error("what has not ended took time")
	}
	if !scheduled(actCopy, 3)(line) || scheduled(actCopy, 4)(line) || !finished(actCopy, 2)(line) || finished(actCopy, 3)(line) {
		t.Error("the activities are not counted right")
	}
	if err := line.take(&history.HistoryEvent{EventType: enums.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED}); err == nil {
		t.Error("a failure was not seen")
	}
}
