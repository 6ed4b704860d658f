package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/timestamppb"

	"mongoferry/internal/migration"
)

// liveDetail is which of the heartbeat's details is a migration.Live.
const liveDetail = 1

// merge adds what the activities under way tell about themselves. An answer of
// this moment moves updatedAt along; a memo stays as old as it is.
func merge(s *migration.Status, pending []*workflow.PendingActivityInfo, fresh bool) {
	for _, p := range pending {
		live, ok := liveOf(p)
		failedAt := stampOf(p.GetLastAttemptCompleteTime())
		worksAgain := ok && later(live.At, failedAt) && live.Trouble == ""
		if f := p.GetLastFailure(); f != nil && !worksAgain {
			trouble(s, failedAt, "%s is tried again, attempt %d: %s", p.GetActivityType().GetName(), p.GetAttempt(), f.GetMessage())
		}
		if !ok {
			continue
		}
		if live.Trouble != "" {
			trouble(s, live.At, "%s", live.Trouble)
		}
		if live.Copied != nil {
			s.Copy.Add(*live.Copied)
		}
		s.Copy.Indexes.Built += live.IndexesBuilt
		if live.Replication != nil {
			read, applied := s.Replication.EventsRead, s.Replication.EventsApplied
			s.Replication = *live.Replication
			s.Replication.EventsRead += read
			s.Replication.EventsApplied += applied
		}
		if live.Window != nil {
			s.Replication.SetWindow(*live.Window)
		}
		if fresh && later(live.At, s.UpdatedAt) {
			s.UpdatedAt = live.At
		}
	}
}

// trouble is a notice of something that goes wrong now, and stands against a
// cutover.
func trouble(s *migration.Status, at, format string, args ...any) {
	text := oneLine(fmt.Errorf(format, args...))
	s.Notices = append(s.Notices, migration.Notice{At: at, Message: text})
	s.Cutover.Allowed = false
	s.Cutover.Reasons = append(s.Cutover.Reasons, text)
}

// stampOf is "" for a time that Temporal did not give.
func stampOf(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return stamp(t.AsTime())
}

// liveOf reads an activity's last heartbeat; there may be none yet.
func liveOf(p *workflow.PendingActivityInfo) (migration.Live, bool) {
	var live migration.Live
	details := p.GetHeartbeatDetails().GetPayloads()
	if len(details) <= liveDetail {
		return live, false
	}
	err := converter.GetDefaultDataConverter().FromPayload(details[liveDetail], &live)
	return live, err == nil
}

// later compares two times of RFC 3339; one that is not known is the earliest.
func later(a, b string) bool {
	x, err := time.Parse(time.RFC3339, a)
	if err != nil {
		return false
	}
	y, err := time.Parse(time.RFC3339, b)
	return err != nil || x.After(y)
}

// inBoth are the activities under way in both descriptions, as of the second.
func inBoth(before, after *workflowservice.DescribeWorkflowExecutionResponse) []*workflow.PendingActivityInfo {
	var known []string
	for _, p := range before.GetPendingActivities() {
		known = append(known, p.GetActivityId())
	}
	return slices.DeleteFunc(slices.Clone(after.GetPendingActivities()), func(p *workflow.PendingActivityInfo) bool {
		return !slices.Contains(known, p.GetActivityId())
	})
}

// estimate says how long the rest of the copy takes at the pace so far, unless
// the workflow knows better.
func estimate(s *migration.Status, now time.Time) {
	c := &s.Copy
	started, err := time.Parse(time.RFC3339, s.StartedAt)
	left := c.Bytes.Total - c.Bytes.Copied
	if s.Phase != migration.Copying || s.Paused || c.ETASeconds > 0 || err != nil || c.Bytes.Copied <= 0 || left <= 0 {
		return
	}
	pace := float64(c.Bytes.Copied) / max(now.Sub(started).Seconds(), 1)
	c.ETASeconds = int64(float64(left)/pace) + 1
}

func isTimeout(err error) bool {
	var deadline *serviceerror.DeadlineExceeded
	return errors.As(err, &deadline) || errors.Is(err, context.DeadlineExceeded)
}
