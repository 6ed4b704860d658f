// Package enginetest gives the tests of the engine's packages two real replica
// sets, a source and a destination, once for each test binary. Tests that run side
// by side have databases of their own.
package enginetest

import (
	"context"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

var (
	source      = sync.OnceValues(func() (*mongodb.Client, error) { return serve("source") })
	destination = sync.OnceValues(func() (*mongodb.Client, error) { return serve("destination") })
)

func serve(side string) (*mongodb.Client, error) {
	// A soak drops collections by the ten thousand: their files are to be closed and removed
	// soon, not after the five minutes for which a server keeps their past.
	set, err := devstack.StartReplicaSet(context.Background(), devstack.ReplicaSetOptions{
		Name: side, CacheGB: 1, FewFiles: true, Parameters: []string{"minSnapshotHistoryWindowInSeconds=10"},
	})
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

// Set is a replica set of three members for a test that kills and cuts off, and a
// client of it.
func Set(t testing.TB, side string) (*devstack.ReplicaSet, *mongodb.Client) {
	t.Helper()
	set := devstack.NewReplicaSet(t, devstack.ReplicaSetOptions{Name: side, Members: 3})
	return set, Dial(t, side, set.URI())
}

// Dial gives a client of a server of the test's own.
func Dial(t testing.TB, side, uri string) *mongodb.Client {
	t.Helper()
	c, err := mongodb.Connect(side, migration.Endpoint{URI: uri})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) }) // the servers end next
	return c
}

// Run sends a command that must be done whole, and gives the reply.
func Run(t testing.TB, c *mongodb.Client, db string, command bson.D) bson.Raw {
	t.Helper()
	reply, err := c.Run(t.Context(), db, command)
	if _, whole := reply.LookupErr("writeErrors"); err != nil || whole == nil {
		t.Fatalf("%v: %v, %s", command, err, reply)
	}
	return reply
}
