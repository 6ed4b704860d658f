package demo

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// CanaryDB is written to by the canary alone; leave it out of the migration, so
// that the canary may write to the destination before both sides are compared.
const CanaryDB = "demo_canary"

// Canary measures how long an application could not write: it writes to the
// source until it is refused, and then tries the destination as soon as the
// migration says that it is open.
type Canary struct {
	stop context.CancelFunc
	done chan struct{}

	mu        sync.Mutex
	opened    bool
	refusedAt time.Time
	refused   time.Duration
	failed    error
}

// canaryPause is between two writes: it bounds the precision.
const canaryPause = 2 * time.Millisecond

// StartCanary begins to write.
func StartCanary(ctx context.Context, source, destination *mongo.Client) *Canary {
	ctx, stop := context.WithCancel(ctx)
	c := &Canary{stop: stop, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.run(ctx, source, destination)
	}()
	return c
}

// Opened tells it that the destination accepts writes.
func (c *Canary) Opened() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened = true
}

// Await waits until the destination took a write, and gives how long writes were
// refused: from the first refusal by the source to that write.
func (c *Canary) Await(ctx context.Context) (time.Duration, error) {
	select {
	case <-c.done:
	case <-ctx.Done():
		return 0, fmt.Errorf("wait for the canary to write to the destination: %w", ctx.Err())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused, c.failed
}

// Stop ends it, whatever it has found.
func (c *Canary) Stop() {
	c.stop()
	<-c.done
}

func (c *Canary) run(ctx context.Context, source, destination *mongo.Client) {
	client := source
	for i := 0; ctx.Err() == nil; i++ {
		c.mu.Lock()
		if c.opened && !c.refusedAt.IsZero() {
			client = destination
		}
		c.mu.Unlock()
		_, err := client.Database(CanaryDB).Collection("beats").InsertOne(ctx, bson.D{{Key: "_id", Value: i}})
		if c.took(ctx, err, client == destination) {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(canaryPause):
		}
	}
}

// took notes the answer to a write; true when there is nothing more to measure.
func (c *Canary) took(ctx context.Context, err error, atDestination bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil && ctx.Err() != nil:
		return true
	case err == nil && atDestination:
		c.refused = time.Since(c.refusedAt)
		return true
	case err == nil:
		c.refusedAt = time.Time{} // a cutover that was backed out
	case Refused(err) && c.refusedAt.IsZero():
		c.refusedAt = time.Now()
	case !Refused(err):
		c.failed = err
		return true
	}
	return false
}
