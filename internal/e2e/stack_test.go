package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"log/slog"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
	"mongoferry/internal/seal"
	"mongoferry/workflows"
)

func TestMain(m *testing.M) { os.Exit(devstack.Main(m)) }

// patience bounds every wait; nothing is measured by it.
const patience = 2 * time.Minute

// workerBinary is built once for all tests.
var workerBinary = sync.OnceValues(func() (string, error) { return devstack.Build("worker") })

// stack is two replica sets, Temporal and workers.
type stack struct {
	t        testing.TB
	src, dst *devstack.ReplicaSet
	temporal *devstack.TemporalServer
	key      seal.Key
	client   client.Client
	source   *mongo.Client
	dest     *mongo.Client
	workers  int
	// patience bounds the wait for a status.
	patience time.Duration
}

func newStack(t testing.TB) *stack {
	t.Helper()
	return newStackOf(t, devstack.ReplicaSetOptions{})
}

// newStackOf starts both replica sets with these options.
func newStackOf(t testing.TB, o devstack.ReplicaSetOptions) *stack {
	t.Helper()
	src, dst := o, o
	src.Name, dst.Name = "src", "dst"
	s := &stack{
		t: t, key: newKey(), patience: patience,
		src:      devstack.NewReplicaSet(t, src),
		dst:      devstack.NewReplicaSet(t, dst),
		temporal: devstack.NewTemporal(t),
	}
	s.source, s.dest = connect(t, s.src.URI()), connect(t, s.dst.URI())
	c, err := client.Dial(client.Options{
		HostPort: s.temporal.Address(), DataConverter: seal.DataConverter(s.key),
		Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	s.client = c
	return s
}

func connect(t testing.TB, uri string) *mongo.Client {
	t.Helper()
	c, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Disconnect(context.Background()) })
	return c
}

// worker starts a worker process.
func (s *stack) worker() *devstack.Process {
	s.t.Helper()
	path, err := workerBinary()
	if err != nil {
		s.t.Fatal(err)
	}
	s.workers++
	log := filepath.Join(s.t.TempDir(), fmt.Sprintf("worker-%d.log", s.workers))
	p, err := devstack.StartProcess(devstack.ProcessOptions{
		Path: path, LogFile: log,
		Env: []string{
			"TEMPORAL_ADDRESS=" + s.temporal.Address(), seal.EnvKey + "=" + base64.StdEncoding.EncodeToString(s.key),
			"TEMPORAL_CONFIG_FILE=/dev/null",
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = p.Continue()
		_ = p.Kill()
		if s.t.Failed() {
			s.t.Logf("worker log:\n%s", p.Log(60))
		}
	})
	return p
}

func (s *stack) spec(id string) migration.Spec {
	return migration.Spec{
		ID: id, Source: migration.Endpoint{URI: s.src.URI()}, Destination: migration.Endpoint{URI: s.dst.URI()},
	}.WithDefaults()
}

// start begins a migration.
func (s *stack) start(spec migration.Spec) client.WorkflowRun {
	s.t.Helper()
	run, err := s.client.ExecuteWorkflow(context.Background(), client.StartWorkflowOptions{
		ID: spec.ID, TaskQueue: migration.DefaultTaskQueue,
	}, migration.WorkflowMigrate, workflows.Input{Spec: spec})
	if err != nil {
		s.t.Fatal(err)
	}
	return run
}

// status asks the workflow.
func (s *stack) status(id string) (migration.Status, error) { return s.statusWithin(id, 5*time.Second) }

// statusWithin gives up after a while: a query that meets a workflow's task at the
// wrong moment is lost, and a phase may be over before that is known.
func (s *stack) statusWithin(id string, limit time.Duration) (migration.Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var status migration.Status
	v, err := s.client.QueryWorkflow(ctx, id, "", migration.QueryStatus)
	if err != nil {
		return status, err
	}
	return status, v.Get(&status)
}

// await waits until the status is as wanted, and gives it.
func (s *stack) await(id, what string, wanted func(migration.Status) bool) migration.Status {
	s.t.Helper()
	var last migration.Status
	var err error
	for end := time.Now().Add(s.patience); time.Now().Before(end); {
		if last, err = s.statusWithin(id, time.Second); err == nil && wanted(last) {
			return last
		}
		if err == nil && last.Phase.Ended() && !wanted(last) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.t.Fatalf("waiting for %s: status %+v, error %v", what, last, err)
	return last
}

func (s *stack) awaitPhase(id string, phase migration.Phase) {
	s.t.Helper()
	s.await(id, "phase "+string(phase), func(st migration.Status) bool { return st.Phase == phase })
}

// update sends a message and waits for its answer.
func (s *stack) update(id, name string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	handle, err := s.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: name, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return "", err
	}
	var answer string
	return answer, handle.Get(ctx, &answer)
}

func (s *stack) mustUpdate(id, name string) {
	s.t.Helper()
	if answer, err := s.update(id, name); err != nil {
		s.t.Fatalf("%s: %s, %v", name, answer, err)
	}
}
