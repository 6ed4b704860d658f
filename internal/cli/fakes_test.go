package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	sdktemporal "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"mongoferry/internal/migration"
	"mongoferry/internal/seal"
	"mongoferry/workflows"
)

func keyFile(t *testing.T, dir string, key seal.Key) string {
	t.Helper()
	path := filepath.Join(dir, "key")
	if err := os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(key)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s *stand) status(id string) (migration.Status, result) {
	s.t.Helper()
	got := s.run("status", id, "-o", "json")
	var doc migration.Status
	if got.code == exitDone {
		if err := json.Unmarshal([]byte(got.out), &doc); err != nil {
			s.t.Fatalf("status: %v: %s", err, got.out)
		}
	}
	return doc, got
}

func registerFakes(w worker.Worker) {
	w.RegisterWorkflowWithOptions(fakeMigrate, workflow.RegisterOptions{Name: migration.WorkflowMigrate})
	w.RegisterWorkflowWithOptions(fakeValidate, workflow.RegisterOptions{Name: migration.WorkflowValidate})
	w.RegisterWorkflowWithOptions(fakeSmall, workflow.RegisterOptions{Name: migration.WorkflowReleaseSource})
	w.RegisterWorkflowWithOptions(fakeCleanup, workflow.RegisterOptions{Name: migration.WorkflowCleanup})
	w.RegisterActivityWithOptions(fakeCopy, activity.RegisterOptions{Name: "CopyUnit"})
}

// fake is a migration without clusters. Words in its id say how it goes on:
// copying, failing, backingout, expiring; otherwise it waits in ready.
type fake struct {
	status  migration.Status
	cutover bool
}

func fakeMigrate(ctx workflow.Context, in workflows.Input) (migration.Status, error) {
	f := &fake{status: migration.Status{
		ID: in.Spec.ID, Phase: migration.Validating, Pace: in.Spec.Pace, StartedAt: stamp(workflow.Now(ctx)),
		Source:       migration.ClusterStatus{URI: in.Spec.Source.Address().Hosts(), Version: "6.0.27"},
		Destination:  migration.ClusterStatus{URI: in.Spec.Destination.Address().Hosts()},
		Verification: migration.VerificationStatus{State: "off"},
	}}
	if in.State != nil {
		f.status = in.State.Status
	}
	if err := f.listen(ctx); err != nil {
		return f.status, err
	}
	switch id := in.Spec.ID; {
	case strings.Contains(id, "failing"):
		f.enter(ctx, migration.Failed)
		return f.status, sdktemporal.NewNonRetryableApplicationError("preflight: the source is a standalone", "PreflightFailed", nil)
	case strings.Contains(id, "copying"):
		return f.status, f.copy(ctx)
	case strings.Contains(id, "continuing") && in.State == nil:
		f.enter(ctx, migration.Copying)
		return f.status, workflow.NewContinueAsNewError(ctx, migration.WorkflowMigrate,
			workflows.Input{Spec: in.Spec, State: &workflows.State{Status: f.status}})
	case strings.Contains(id, "expiring"):
		f.enter(ctx, migration.Expired)
		return f.status, nil
	}
	return f.sync(ctx, strings.Contains(in.Spec.ID, "backingout"))
}

func (f *fake) enter(ctx workflow.Context, phase migration.Phase) {
	f.status.Phase = phase
	f.status.UpdatedAt = stamp(workflow.Now(ctx))
	if err := workflow.UpsertMemo(ctx, map[string]any{migration.MemoStatus: f.status}); err != nil {
		panic(err)
	}
}

func (f *fake) listen(ctx workflow.Context) error {
	err := workflow.SetQueryHandler(ctx, migration.QueryStatus, func() (migration.Status, error) {
		s := f.status
		s.Cutover.Allowed = s.Phase == migration.Ready
		if !s.Cutover.Allowed {
			s.Cutover.Reasons = []string{"the initial sync is running"}
		}
		return s, nil
	})
	for _, message := range []string{migration.MessageCutover, migration.MessageExtend, migration.MessagePause, migration.MessageResume} {
		err = errors.Join(err, workflow.SetUpdateHandlerWithOptions(ctx, message,
			func(ctx workflow.Context) (string, error) { return f.obey(ctx, message), nil },
			workflow.UpdateHandlerOptions{Validator: func(workflow.Context) error { return f.refuse(message) }}))
	}
	return errors.Join(err, workflow.SetUpdateHandler(ctx, migration.MessageTune, func(_ workflow.Context, in migration.Request) (string, error) {
		var err error
		f.status.Pace, err = in.Of(f.status.Pace.WithDefaults())
		return "", err
	}))
}

func (f *fake) refuse(message string) error {
	if message == migration.MessageResume && !f.status.Paused {
		return sdktemporal.NewNonRetryableApplicationError("the migration is not paused", "NotPaused", nil)
	}
	if message == migration.MessageExtend && f.status.Phase != migration.Ready {
		return sdktemporal.NewNonRetryableApplicationError("the cutover timer has not started", "TimerNotStarted", nil)
	}
	return nil
}

func (f *fake) obey(ctx workflow.Context, message string) string {
	switch message {
	case migration.MessageCutover:
		f.cutover = true
		f.enter(ctx, migration.CuttingOver)
	case migration.MessageExtend:
		f.status.Cutover.Extensions++
	default:
		f.status.Paused = message == migration.MessagePause
	}
	f.enter(ctx, f.status.Phase)
	return message + " obeyed"
}

// sync waits in ready for what comes.
func (f *fake) sync(ctx workflow.Context, backOut bool) (migration.Status, error) {
	f.enter(ctx, migration.Ready)
	for {
		if err := workflow.Await(ctx, func() bool { return f.cutover }); err != nil {
			f.enter(ctx, migration.Canceled)
			return f.status, sdktemporal.NewCanceledError()
		}
		f.cutover = false
		if err := workflow.Sleep(ctx, 100*time.Millisecond); err != nil {
			return f.status, err
		}
		if backOut {
			f.status.Notices = append(f.status.Notices, migration.Notice{At: f.status.UpdatedAt, Message: "cutover backed out: app.users changed"})
			f.enter(ctx, migration.Ready)
			continue
		}
		f.status.Source.WritesBlocked = true
		f.status.Cutover.WritesAcceptedAt = stamp(workflow.Now(ctx))
		f.enter(ctx, migration.Completed)
		return f.status, nil
	}
}

// copy runs an activity that fails once and then tells how far it is, until it
// is cancelled.
func (f *fake) copy(ctx workflow.Context) error {
	f.status.Copy.Documents = migration.Count{Copied: 100, Total: 1000}
	f.enter(ctx, migration.Copying)
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute, HeartbeatTimeout: 10 * time.Second, Summary: "copy unit 1 of 2", WaitForCancellation: true,
		RetryPolicy: &sdktemporal.RetryPolicy{InitialInterval: 100 * time.Millisecond},
	})
	err := workflow.ExecuteActivity(ctx, "CopyUnit", in{Token: []byte("customer data")}).Get(ctx, nil)
	return err
}

type in struct{ Token []byte }

func fakeCopy(ctx context.Context, state in) error {
	if activity.GetInfo(ctx).Attempt == 1 {
		return errors.New("the source at mongodb://u:hunter2@source:1/ is gone")
	}
	for {
		activity.RecordHeartbeat(ctx, state, migration.Live{
			Copied: &migration.Copied{Documents: 23, Bytes: 5}, IndexesBuilt: 2, At: stamp(time.Now()),
			Trouble:     "insert on the destination fails: mongodb://u:hunter2@destination:2/ is away",
			Replication: &migration.ReplicationStatus{LagSeconds: 7, LastAppliedOpTime: migration.OpTime{T: 1}},
		})
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func fakeValidate(_ workflow.Context, spec migration.Spec) (migration.Validation, error) {
	if spec.Source.URI != "mongodb://u:hunter2@source:1/" {
		return migration.Validation{}, errors.New("the source is " + spec.Source.Address().String())
	}
	v := migration.Validation{Findings: []migration.Finding{
		{Check: "versions", Severity: migration.Passed, Message: "6.0.27 on both sides"},
		{Check: "tls", Severity: migration.Warning, Message: "no TLS", Fix: "use TLS"},
	}}
	if !spec.DropDestination {
		v.Findings = append(v.Findings, migration.Finding{
			Check: "empty", Severity: migration.Blocking, Namespace: "app.users", Message: "exists on the destination", Fix: "--drop-destination",
		})
	}
	return v, nil
}

// fakeSmall stands for release-source and cleanup: it fails when it did not get
// the spec of the migration.
// fakeCleanup wants to be told which migration of that id is meant.
func fakeCleanup(ctx workflow.Context, in workflows.CompensateInput) error {
	if in.Run == "" {
		return errors.New("no run is named")
	}
	return fakeSmall(ctx, in.Spec)
}

func fakeSmall(_ workflow.Context, spec migration.Spec) error {
	if spec.Source.URI != "mongodb://u:hunter2@source:1/" {
		return errors.New("the source is " + spec.Source.Address().String())
	}
	return nil
}
