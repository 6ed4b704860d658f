// Package enginetest gives the tests of the engine's packages two real replica
// sets, a source and a destination, once for each test binary. Tests that run side
// by side have databases of their own.
package enginetest

import (
	"context"
	"sync"
	"testing"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

var (
	source      = sync.OnceValues(func() (*mongodb.Client, error) { return serve("source") })
	destination = sync.OnceValues(func() (*mongodb.Client, error) { return serve("destination") })
)

func serve(side string) (*mongodb.Client, error) {
	set, err := devstack.StartReplicaSet(context.Background(), devstack.ReplicaSetOptions{Name: side})
	if err != nil {
		return nil, err
	}
	return mongodb.Connect(side, migration.Endpoint{URI: set.URI()})
}

// Source is a client of the source.
func Source(t testing.TB) *mongodb.Client { return client(t, source) }

// Destination is a client of the destination.
func Destination(t testing.TB) *mongodb.Client { return client(t, destination) }

func client(t testing.TB, of func() (*mongodb.Client, error)) *mongodb.Client {
	t.Helper()
	c, err := of()
	if err != nil {
		t.Fatal(err)
	}
	return c
}
