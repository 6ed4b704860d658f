// Package activities are thin adapters: Temporal on one side, the engine on the
// other. Heartbeats, the lease that they are, and the types of errors live here.
//
// Every activity can run twice: again after a failure, or beside an attempt that
// was thought dead.
package activities

import (
	"context"
	"sync"

	"go.uber.org/zap"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// Activities are registered with a worker; their exported methods are the
// activities. Make one with New.
type Activities struct {
	log              *zap.Logger
	acks             *Acknowledgements
	searchAttributes bool

	mu      sync.Mutex
	clients map[clientKey]*mongodb.Client
}

type clientKey struct {
	side     string
	endpoint migration.Endpoint
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
		clients: map[clientKey]*mongodb.Client{},
	}
}

// Close ends the connections to all clusters. It is no method, since exported
// methods are activities.
func Close(ctx context.Context, a *Activities) {
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
	key := clientKey{side, e}
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
