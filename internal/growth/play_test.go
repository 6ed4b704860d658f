package growth

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"mongoferry/activities"
	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
	"mongoferry/internal/seal"
	"mongoferry/workflows"
)

// cast plays the activities: each returns at once what the real one would.
type cast struct {
	plan activities.Plan
	// slices is how many slices of the sync the migration is ready for.
	slices int64
	// refuses says that the destination refuses every index, and has equal keys.
	refuses bool
	cutover func()
	played  atomic.Int64
}

// token is as long as a resume token of a real stream with an _id in it.
var token = []byte(strings.Repeat("t", 350))

func (c *cast) register(w worker.Worker) {
	for name, f := range map[string]any{
		"Validate": func(context.Context, migration.Spec) (activities.Checked, error) {
			side := migration.ClusterStatus{Version: "6.0.27", FCV: "6.0", Topology: "replicaSet"}
			return activities.Checked{Validation: migration.Validation{Source: side, Destination: side}}, nil
		},
		"Claim":   func(context.Context, migration.Spec) error { return nil },
		"Prepare": func(context.Context, migration.Spec) (activities.Plan, error) { return c.plan, nil },
		"CopyUnit": func(context.Context, activities.CopyInput) (activities.CopyResult, error) {
			return activities.CopyResult{Copied: migration.Copied{Documents: 130_000, Bytes: partBytes}, Namespaces: 1}, nil
		},
		"BuildIndexes":      c.build,
		"WatchOplog":        watch,
		"SourceOpTime":      func(context.Context, migration.Spec) (migration.OpTime, error) { return migration.OpTime{T: 105}, nil },
		"ApplyChanges":      c.apply,
		"LookAtConstraints": c.look,
		"CutoverReadiness": func(context.Context, migration.Spec) (activities.ReadinessResult, error) {
			return activities.ReadinessResult{}, nil
		},
		"CutOver": func(_ context.Context, in activities.CutoverInput) (activities.CutoverResult, error) {
			return activities.CutoverResult{Completed: true, Position: in.From, SourceBlocked: true}, nil
		},
		"Finalize": func(context.Context, migration.Spec) (activities.FinalizeResult, error) {
			return activities.FinalizeResult{}, nil
		},
		"CleanUp": func(context.Context, migration.Spec) error { return nil },
	} {
		w.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
}

// watch goes on for as long as the real one, unless it is told to stop.
func watch(ctx context.Context, in activities.WatchInput) (activities.WatchResult, error) {
	end := time.After(in.Duration)
	for {
		activity.RecordHeartbeat(ctx)
		select {
		case <-ctx.Done():
			return activities.WatchResult{}, ctx.Err()
		case <-end:
			return activities.WatchResult{}, nil
		case <-time.After(time.Second):
		}
	}
}

func (c *cast) apply(_ context.Context, in activities.SliceInput) (activities.SliceResult, error) {
	to := in.From
	to.OpTime.T += 60
	to.ResumeToken = token
	if c.played.Add(1) > c.slices { // the first is the catching up
		c.cutover()
	}
	result := activities.SliceResult{Position: to, Replication: migration.ReplicationStatus{EventsRead: 5000, EventsApplied: 4000}}
	if c.refuses {
		result.Refused, result.RefusedOmitted = refusals(0), 100_000
	}
	return result, nil
}

func (c *cast) look(_ context.Context, in activities.ConstraintsInput) (activities.ConstraintsResult, error) {
	result := activities.ConstraintsResult{Epoch: in.From.Epoch}
	if !c.refuses {
		return result, nil
	}
	result.Look.Violations, result.Look.Omitted = refusals(0), 100_000
	for _, v := range result.Look.Violations[:50] {
		s := activities.Suspicion{Namespace: v.Namespace, IndexName: v.IndexName}
		for g := range 100 {
			s.Groups = append(s.Groups, fmt.Sprintf("%016x", g))
		}
		result.Look.Suspicions = append(result.Look.Suspicions, s)
	}
	return result, nil
}

func (c *cast) build(_ context.Context, in activities.IndexInput) (activities.IndexResult, error) {
	if c.refuses {
		return activities.IndexResult{Unsuccessful: refusals(in.Unit), Omitted: 6200}, nil
	}
	return activities.IndexResult{Built: indexBundle}, nil
}

// refusals are as many and as long as a list of them can be.
func refusals(unit int) []migration.UnsuccessfulIndex {
	all := make([]migration.UnsuccessfulIndex, migration.MaxListedIndexes)
	for i := range all {
		all[i] = migration.UnsuccessfulIndex{
			Namespace: fmt.Sprintf("database.%s_%d_%d", strings.Repeat("c", 150), unit, i), IndexName: strings.Repeat("x", 120),
			Type: "failed", Keys: map[string]any{strings.Repeat("field", 10): 1, "other": 1}, Reason: strings.Repeat("because ", 62),
		}
	}
	return all
}

// stage is a Temporal server with a worker whose activities are a cast.
type stage struct {
	t testing.TB
	client.Client
}

func newStage(t testing.TB, c *cast) *stage {
	t.Helper()
	server := devstack.NewTemporal(t)
	temporal, err := client.Dial(client.Options{
		HostPort: server.Address(), DataConverter: seal.DataConverter(seal.NewKey()),
		Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(temporal.Close)
	w := worker.New(temporal, "q", worker.Options{MaxConcurrentActivityExecutionSize: 16})
	w.RegisterWorkflowWithOptions(workflows.Migrate, workflow.RegisterOptions{Name: migration.WorkflowMigrate})
	c.register(w)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	s := &stage{t, temporal}
	c.cutover = func() {
		if err := s.SignalWorkflow(context.Background(), "m", "", migration.MessageCutover, nil); err != nil {
			t.Errorf("ask for the cutover: %v", err)
		}
	}
	return s
}

// Written is what the server holds of a migration, over all its runs.
type Written struct {
	Runs, Events, Tasks, Activities, Memos int
	Bytes                                  int64
	// The largest of one run.
	RunEvents int
	RunBytes  int64
	// Payload is the largest single one, Memo the largest memo.
	Payload, Memo int
	Took          time.Duration
}

// play runs a migration to its end and counts.
func (s *stage) play() Written {
	s.t.Helper()
	began := time.Now()
	spec := migration.Spec{
		ID:          "m",
		Source:      migration.Endpoint{URI: "mongodb://a.source.example:27017,b.source.example:27017,c.source.example:27017/?replicaSet=source"},
		Destination: migration.Endpoint{URI: "mongodb://a.destination.example:27017,b.destination.example:27017,c.destination.example:27017/?replicaSet=destination"},
	}
	run, err := s.ExecuteWorkflow(context.Background(), client.StartWorkflowOptions{ID: "m", TaskQueue: "q"},
		migration.WorkflowMigrate, workflows.Input{Spec: spec})
	if err != nil {
		s.t.Fatal(err)
	}
	first := run.GetRunID()
	var status migration.Status
	if err := run.Get(context.Background(), &status); err != nil || status.Phase != migration.Completed {
		s.t.Fatalf("ended as %s: %v", status.Phase, err)
	}
	w := Written{Took: time.Since(began)}
	for id := first; id != ""; {
		id = s.count(id, &w)
	}
	return w
}

// count adds one run, and gives the id of the next.
func (s *stage) count(id string, w *Written) (next string) {
	s.t.Helper()
	w.Runs++
	events, bytes := 0, int64(0)
	iter := s.GetWorkflowHistory(context.Background(), "m", id, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for iter.HasNext() {
		e, err := iter.Next()
		if err != nil {
			s.t.Fatal(err)
		}
		events++
		bytes += int64(proto.Size(e))
		w.Payload = max(w.Payload, largestPayload(e.ProtoReflect()))
		switch e.GetEventType() {
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
			w.Activities++
		case enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
			w.Tasks++
		case enumspb.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED:
			w.Memos++
			w.Memo = max(w.Memo, proto.Size(e))
		}
		next = nextRun(e)
	}
	w.Events, w.Bytes = w.Events+events, w.Bytes+bytes
	w.RunEvents, w.RunBytes = max(w.RunEvents, events), max(w.RunBytes, bytes)
	return next
}

func nextRun(e *historypb.HistoryEvent) string {
	return e.GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId()
}

// largestPayload looks into a message for the payload that takes most.
func largestPayload(m protoreflect.Message) (size int) {
	if p, ok := m.Interface().(*common.Payload); ok {
		return proto.Size(p)
	}
	look := func(v protoreflect.Value) { size = max(size, largestPayload(v.Message())) }
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap() && f.MapValue().Message() != nil:
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool { look(v); return true })
		case f.IsList() && f.Message() != nil:
			for i := range v.List().Len() {
				look(v.List().Get(i))
			}
		case f.Message() != nil && !f.IsMap() && !f.IsList():
			look(v)
		}
		return true
	})
	return size
}

func (w Written) String() string {
	return fmt.Sprintf("%d runs, %d events, %d tasks, %d activities, %d memos, %d bytes; largest run %d events, %d bytes; payload %d, memo %d; took %s",
		w.Runs, w.Events, w.Tasks, w.Activities, w.Memos, w.Bytes, w.RunEvents, w.RunBytes, w.Payload, w.Memo, w.Took.Round(time.Millisecond))
}
