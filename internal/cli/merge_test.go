package cli

import (
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"mongoferry/internal/migration"
	"mongoferry/internal/seal"
)

func pending(t *testing.T, id string, live migration.Live) *workflow.PendingActivityInfo {
	t.Helper()
	details, err := seal.DataConverter(seal.NewKey()).ToPayloads([]byte("state"), live)
	if err != nil {
		t.Fatal(err)
	}
	return &workflow.PendingActivityInfo{ActivityId: id, ActivityType: &commonpb.ActivityType{Name: "CopyUnit"}, HeartbeatDetails: details}
}

func TestMergeAddsUp(t *testing.T) {
	t.Parallel()
	s := migration.Status{UpdatedAt: "2026-01-01T00:00:00Z"}
	s.Copy.Documents.Copied, s.Copy.Indexes.Built, s.Replication.LagSeconds = 100, 1, 50
	s.Replication.EventsApplied = 1000
	failed := &workflow.PendingActivityInfo{
		ActivityType: &commonpb.ActivityType{Name: "Slice"}, Attempt: 4,
		LastFailure: &failurepb.Failure{Message: "dial mongodb://u:hunter2@h/: refused"},
	}
	merge(&s, []*workflow.PendingActivityInfo{
		pending(t, "1", migration.Live{Copied: &migration.Copied{Documents: 10, Bytes: 3}, At: "2026-01-01T00:00:05Z"}),
		pending(t, "2", migration.Live{Copied: &migration.Copied{Documents: 1}, IndexesBuilt: 2, At: "2026-01-01T00:00:01Z"}),
		pending(t, "3", migration.Live{Replication: &migration.ReplicationStatus{LagSeconds: 3, EventsApplied: 7}}),
		failed,
	}, true)
	if s.Copy.Documents.Copied != 111 || s.Copy.Bytes.Copied != 3 || s.Copy.Indexes.Built != 3 || s.Replication.LagSeconds != 3 || s.Replication.EventsApplied != 1007 {
		t.Errorf("got %+v", s)
	}
	if s.UpdatedAt != "2026-01-01T00:00:05Z" {
		t.Errorf("updated at %s", s.UpdatedAt)
	}
	if len(s.Notices) != 1 || s.Notices[0].Message != "Slice is tried again, attempt 4: dial mongodb://u:(redacted)@h/: refused" {
		t.Errorf("notices are %+v", s.Notices)
	}
}

func TestMemoStaysAsOldAsItIs(t *testing.T) {
	t.Parallel()
	s := migration.Status{UpdatedAt: "2026-01-01T00:00:00Z"}
	merge(&s, []*workflow.PendingActivityInfo{pending(t, "1", migration.Live{At: "2026-01-01T00:00:05Z"})}, false)
	if s.UpdatedAt != "2026-01-01T00:00:00Z" {
		t.Errorf("updated at %s", s.UpdatedAt)
	}
}

// TestTrouble: what goes wrong now is told and stands against a cutover; what is
// over is not.
func TestTrouble(t *testing.T) {
	t.Parallel()
	failedAt := timestamppb.New(time.Date(2026, 1, 1, 0, 0, 5, 0, time.UTC))
	for name, c := range map[string]struct {
		live migration.Live
		told string
	}{
		"fails still":     {migration.Live{At: "2026-01-01T00:00:01Z"}, "CopyUnit is tried again, attempt 2: gone"},
		"works again":     {migration.Live{At: "2026-01-01T00:00:09Z"}, ""},
		"in new troubles": {migration.Live{At: "2026-01-01T00:00:09Z", Trouble: "insert fails"}, "insert fails"},
	} {
		p := pending(t, "1", c.live)
		p.Attempt, p.LastFailure, p.LastAttemptCompleteTime = 2, &failurepb.Failure{Message: "gone"}, failedAt
		s := migration.Status{Cutover: migration.CutoverStatus{Allowed: true}}
		merge(&s, []*workflow.PendingActivityInfo{p}, true)
		last := ""
		if n := len(s.Notices); n > 0 {
			last = s.Notices[n-1].Message
		}
		if last != c.told || s.Cutover.Allowed != (c.told == "") || len(s.Cutover.Reasons) != len(s.Notices) {
			t.Errorf("%s: notices %v, %+v", name, s.Notices, s.Cutover)
		}
	}
}

// TestNothingIsCountedTwice: an activity that ended between the two looks may be
// in the workflow's answer already.
func TestNothingIsCountedTwice(t *testing.T) {
	t.Parallel()
	describe := func(ids ...string) *workflowservice.DescribeWorkflowExecutionResponse {
		d := &workflowservice.DescribeWorkflowExecutionResponse{}
		for _, id := range ids {
			d.PendingActivities = append(d.PendingActivities, pending(t, id, migration.Live{}))
		}
		return d
	}
	got := inBoth(describe("ended", "goes on"), describe("goes on", "new"))
	if len(got) != 1 || got[0].GetActivityId() != "goes on" {
		t.Errorf("got %v", got)
	}
}

func TestEstimate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 1, 40, 0, time.UTC)
	s := migration.Status{Phase: migration.Copying, StartedAt: "2026-01-01T00:00:00Z"}
	s.Copy.Bytes = migration.Count{Copied: 100, Total: 300}
	estimate(&s, now)
	if s.Copy.ETASeconds != 201 {
		t.Errorf("got %d s", s.Copy.ETASeconds)
	}
	s.Copy.ETASeconds, s.Paused = 0, true
	estimate(&s, now)
	if s.Copy.ETASeconds != 0 {
		t.Errorf("paused: got %d s", s.Copy.ETASeconds)
	}
}
