package bench

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/seal"
)

const (
	// cacheGB is the cache of each server: two of them and what is held in memory
	// leave room for the system's own.
	cacheGB = 2
	// oplogMB holds every history that is replayed.
	oplogMB = 4096
	// workerPatience bounds a worker's start.
	workerPatience = time.Minute
)

// rig is the servers that something is measured with: a source, a destination and
// Temporal, all of them new.
type rig struct {
	src, dst            *devstack.ReplicaSet
	source, destination *mongodb.Client
	temporal            *devstack.TemporalServer
	client              client.Client
	key                 seal.Key
	queues              int

	mu    sync.Mutex
	stops []func() error
}

// withRig starts servers, and ends them whatever becomes of do.
func withRig(ctx context.Context, o devstack.ReplicaSetOptions, do func(*rig) error) (err error) {
	r := &rig{key: seal.NewKey()}
	defer func() { err = errors.Join(err, r.stop()) }()
	o.CacheGB, o.OplogMB = cacheGB, oplogMB
	var group errgroup.Group
	group.Go(func() (err error) {
		r.src, r.source, err = r.serve(ctx, "source", o)
		return err
	})
	group.Go(func() (err error) {
		r.dst, r.destination, err = r.serve(ctx, "destination", o)
		return err
	})
	group.Go(func() (err error) {
		if r.temporal, err = devstack.StartTemporal(ctx, devstack.TemporalOptions{}); err == nil {
			r.atEnd(r.temporal.Stop)
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return err
	}
	r.client, err = client.DialContext(ctx, client.Options{
		HostPort: r.temporal.Address(), DataConverter: seal.DataConverter(r.key),
		Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		return fmt.Errorf("reach Temporal: %w", err)
	}
	r.atEnd(func() error { r.client.Close(); return nil })
	return do(r)
}

func (r *rig) serve(ctx context.Context, side string, o devstack.ReplicaSetOptions) (*devstack.ReplicaSet, *mongodb.Client, error) {
	o.Name = side
	set, err := devstack.StartReplicaSet(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	r.atEnd(set.Stop)
	c, err := mongodb.Connect(side, migration.Endpoint{URI: set.URI()})
	if err != nil {
		return nil, nil, err
	}
	r.atEnd(func() error {
		_ = c.Close(context.WithoutCancel(ctx)) // its server ends next
		return nil
	})
	return set, c, nil
}

func (r *rig) atEnd(stop func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stops = append(r.stops, stop)
}

// stop ends everything, the last started first.
func (r *rig) stop() error {
	var errs []error
	for i := len(r.stops) - 1; i >= 0; i-- {
		errs = append(errs, r.stops[i]())
	}
	return errors.Join(errs...)
}

// workerBinary is built once.
var workerBinary = sync.OnceValues(func() (string, error) { return devstack.Build("worker") })

// crew is workers on a task queue of their own.
type crew struct {
	queue   string
	workers []*devstack.Process
}

// hire starts so many worker processes and waits until they ask for work.
func (r *rig) hire(ctx context.Context, n int) (*crew, error) {
	path, err := workerBinary()
	if err != nil {
		return nil, err
	}
	dir, err := devstack.TempDir("workers")
	if err != nil {
		return nil, err
	}
	r.queues++
	c := &crew{queue: fmt.Sprintf("bench-%d", r.queues)}
	for i := range n {
		p, err := devstack.StartProcess(devstack.ProcessOptions{
			Path: path, Args: []string{"--task-queue", c.queue, "--log-level", "warn"},
			LogFile: filepath.Join(dir, fmt.Sprintf("worker-%d.log", i)),
			Env: []string{
				"TEMPORAL_ADDRESS=" + r.temporal.Address(), seal.EnvKey + "=" + base64.StdEncoding.EncodeToString(r.key),
				"TEMPORAL_CONFIG_FILE=/dev/null",
			},
		})
		if err != nil {
			return nil, errors.Join(err, c.dismiss())
		}
		c.workers = append(c.workers, p)
	}
	if err := r.awaitPollers(ctx, c); err != nil {
		return nil, errors.Join(err, c.dismiss())
	}
	return c, nil
}

// awaitPollers waits until every worker of a crew asks for activities.
func (r *rig) awaitPollers(ctx context.Context, c *crew) error {
	ctx, cancel := context.WithTimeout(ctx, workerPatience)
	defer cancel()
	for {
		answer, err := r.client.DescribeTaskQueue(ctx, c.queue, enums.TASK_QUEUE_TYPE_ACTIVITY)
		if err != nil {
			return fmt.Errorf("wait for the workers: %w: %s", err, c.log())
		}
		asking := map[string]bool{}
		for _, p := range answer.GetPollers() {
			asking[p.GetIdentity()] = true
		}
		if len(asking) == len(c.workers) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the workers: %w: %s", ctx.Err(), c.log())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// dismiss ends the workers.
func (c *crew) dismiss() error {
	var errs []error
	for _, w := range c.workers {
		errs = append(errs, w.Kill())
	}
	return errors.Join(errs...)
}

// log is the last that the first worker had to say.
func (c *crew) log() string {
	if len(c.workers) == 0 {
		return ""
	}
	return c.workers[0].Log(10)
}

// failed adds to an error what a worker had to say, and ends the crew.
func (c *crew) failed(err error) error {
	return errors.Join(fmt.Errorf("%w: %s", err, c.log()), c.dismiss())
}
