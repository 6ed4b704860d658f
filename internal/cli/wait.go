package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"
)

const (
	// silentFor is how long a command waits before it says what for.
	silentFor = 1500 * time.Millisecond
	// workerPatience is how long it waits when there is no worker at all.
	workerPatience = 10 * time.Second
)

// errNoWorker: nobody is there to do what was asked for.
var errNoWorker = errors.New("no worker works on the task queue: start one (worker, or starter dev)")

// patiently does what takes a worker. It says what it waits for, and gives up
// when no worker comes.
func (c *connection) patiently(ctx context.Context, what string, do func(context.Context) error) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- do(inner) }()
	tick := time.NewTicker(silentFor)
	defer tick.Stop()
	told := false
	alone := time.Duration(0)
	for {
		select {
		case err := <-done:
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			return err
		case <-tick.C:
			if !told {
				c.app.note("waiting: %s", what)
				told = true
			}
			if c.hasWorker(ctx) {
				alone = 0
				continue
			}
			if alone == 0 {
				c.app.note("waiting: no worker works on task queue %s", c.app.taskQueue)
			}
			if alone += silentFor; alone >= workerPatience {
				return errNoWorker
			}
		}
	}
}

// runSmall runs a small workflow to its end. When it is given up, it is ended,
// so that nothing happens later behind the operator's back.
func (c *connection) runSmall(ctx context.Context, o client.StartWorkflowOptions, what, name string, in, result any) error {
	o.TaskQueue = c.app.taskQueue
	o.WorkflowExecutionTimeout = smallTimeout
	call, cancel := briefly(ctx)
	defer cancel()
	run, err := c.ExecuteWorkflow(call, o, name, in)
	if err != nil {
		return c.explain(fmt.Errorf("%s: %w", what, err))
	}
	err = c.patiently(ctx, what, func(ctx context.Context) error { return run.Get(ctx, result) })
	if errors.Is(err, errNoWorker) || ctx.Err() != nil {
		stop, cancel := briefly(context.WithoutCancel(ctx))
		defer cancel()
		return errors.Join(err, c.explain(c.TerminateWorkflow(stop, run.GetID(), run.GetRunID(), "given up by the starter")))
	}
	if err != nil {
		return fmt.Errorf("%s: %s", what, failureText(err))
	}
	return nil
}

// smallTimeout bounds a small workflow whose starter has died.
const smallTimeout = 10 * time.Minute
