// Package workerapp assembles and runs a worker: for the worker's own command,
// and in one process with Temporal for `starter dev` and the demo.
package workerapp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"mongoferry/activities"
	"mongoferry/internal/migration"
	"mongoferry/internal/seal"
	"mongoferry/internal/telemetry"
	"mongoferry/workflows"
)

// Options say how a worker reaches Temporal. HostPort, when set, is used instead
// of Temporal's own environment variables and profile.
type Options struct {
	HostPort  string
	TaskQueue string
	Key       seal.Key
	Log       *zap.Logger
}

// heartbeatsAtMostEvery is how long a heartbeat may be held back: how much a
// killed worker redoes, and how late a cancel comes.
const heartbeatsAtMostEvery = 500 * time.Millisecond

// stopTimeout is how long the steps under way have to come to a good end: one at
// the fence backs out.
const stopTimeout = 20 * time.Second

// memoryLimit is where the collector begins to work harder. What a copy holds is
// large and without pointers, so that this costs little; GOMEMLIMIT overrides it.
const memoryLimit = 176 << 20

// LimitMemory bounds the memory of a process that is a worker and little else.
func LimitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

// memoSize is above what the status document with its last notices takes.
const memoSize = 16 << 10

// Run works until the context ends.
func Run(ctx context.Context, o Options) error {
	acks := activities.NewAcknowledgements()
	c, namespace, err := dial(ctx, o, acks)
	if err != nil && ctx.Err() != nil {
		return nil // asked to end while it began
	}
	if err != nil {
		return err
	}
	defer c.Close()
	if o.Key == nil {
		o.Log.Warn("no key: resume tokens and _ids travel readable through Temporal; set " + seal.EnvKey + " or " + seal.EnvKeyFile)
	}
	act := activities.New(activities.Options{
		Log: o.Log, Acknowledgements: acks, SearchAttributes: ensureSearchAttributes(ctx, c, namespace, o.Log),
	})
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	w := worker.New(c, o.TaskQueue, worker.Options{
		MaxConcurrentActivityExecutionSize: 16,
		MaxHeartbeatThrottleInterval:       heartbeatsAtMostEvery,
		DefaultHeartbeatThrottleInterval:   heartbeatsAtMostEvery,
		WorkerStopTimeout:                  stopTimeout,
		OnFatalError:                       fail,
	})
	Register(w)
	w.RegisterActivity(act)
	if err := w.Start(); err != nil {
		return fmt.Errorf("start the worker: %w", err)
	}
	o.Log.Info("worker started", zap.String("task_queue", o.TaskQueue))
	<-ctx.Done()
	w.Stop()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	activities.Close(closing, act)
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return fmt.Errorf("the worker cannot go on: %w", cause)
	}
	return nil
}

// Register registers the workflows under the names that the starter uses.
func Register(r worker.WorkflowRegistry) {
	for name, f := range map[string]any{
		migration.WorkflowMigrate:       workflows.Migrate,
		migration.WorkflowValidate:      workflows.Validate,
		migration.WorkflowReleaseSource: workflows.ReleaseSource,
		migration.WorkflowCleanup:       workflows.Cleanup,
	} {
		r.RegisterWorkflowWithOptions(f, workflow.RegisterOptions{Name: name})
	}
}

func dial(ctx context.Context, o Options, acks *activities.Acknowledgements) (client.Client, string, error) {
	opts := client.Options{HostPort: o.HostPort}
	if o.HostPort == "" {
		var err error
		if opts, err = envconfig.LoadDefaultClientOptions(); err != nil {
			return nil, "", fmt.Errorf("read Temporal's profile and environment: %w", err)
		}
	}
	opts.Logger = telemetry.Temporal(o.Log)
	opts.DataConverter = seal.DataConverter(o.Key)
	// The last heartbeat of a step whose worker has died comes within a failure.
	opts.FailureConverter = temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{DataConverter: opts.DataConverter})
	opts.PayloadLimits.MemoSizeWarning = memoSize
	opts.ConnectionOptions.DialOptions = append(opts.ConnectionOptions.DialOptions,
		grpc.WithChainUnaryInterceptor(acks.Interceptor))
	c, err := client.DialContext(ctx, opts)
	if err != nil {
		return nil, "", fmt.Errorf("reach Temporal at %s: %w: start it, or set TEMPORAL_ADDRESS", opts.HostPort, err)
	}
	return c, cmp.Or(opts.Namespace, client.DefaultNamespace), nil
}
