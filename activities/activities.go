// Package activities are thin adapters: Temporal on one side, the engine on the
// other. Heartbeats, the lease that they are, and the types of errors live here.
//
// Every activity can run twice: again after a failure, or beside an attempt that
// was thought dead.
package activities

import (
	"context"
	"fmt"
	"sync"

	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// Activities are registered with a worker; their exported methods are the
// activities. Make one with New.
type Activities struct {
	log              *zap.Logger
	acks             *Acknowledgements
	searchAttributes bool

	// memory is for the batches of all copies under way.
	memory *semaphore.Weighted

	// sessions are the attempts at work.
	sessions sync.WaitGroup

	mu      sync.Mutex
	clients map[clientKey]*mongodb.Client
}

// clientKey: behind a reference, the connection string may change.
type clientKey struct {
	side, resolved string
	endpoint       migration.Endpoint
}

// Options are what New needs.
type Options struct {
	Log *zap.Logger
	// Acknowledgements must be fed by the interceptor of the worker's client.
	Acknowledgements *Acknowledgements
	// SearchAttributes says whether ours exist in this installation of Temporal.
	SearchAttributes bool
}

// New makes the activities of one worker.
func New(o Options) *Activities {
	return &Activities{
		log: o.Log, acks: o.Acknowledgements, searchAttributes: o.SearchAttributes,
		clients: map[clientKey]*mongodb.Client{}, memory: semaphore.NewWeighted(copyMemory),
	}
}

// Close waits for the attempts at work, as long as the context lets it, and ends
// the connections to all clusters. It is no method, since exported methods are
// activities.
func Close(ctx context.Context, a *Activities) {
	ended := make(chan struct{})
	go func() {
		a.sessions.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		a.log.Warn("stopping although steps are still under way: another worker takes them over when their heartbeats are missed")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, c := range a.clients {
		if err := c.Close(ctx); err != nil {
			a.log.Warn("close connections", zap.String("side", key.side), zap.Error(migration.RedactError(err)))
		}
		delete(a.clients, key)
	}
}

// client gives the connections to one side, shared by all activities.
func (a *Activities) client(side string, e migration.Endpoint) (*mongodb.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	resolved, err := mongodb.Resolve(e)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", side, err)
	}
	key := clientKey{side, resolved, e}
	if c, ok := a.clients[key]; ok {
		return c, nil
	}
	c, err := mongodb.Connect(side, e)
	if err != nil {
		return nil, err
	}
	a.clients[key] = c
	return c, nil
}
