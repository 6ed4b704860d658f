package mongodb

import (
	"context"
	"os"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/zap"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
)

func TestMain(m *testing.M) { os.Exit(devstack.Main(m)) }

// sharedSet is one replica set for the whole package; it asks for passwords.
// Tests that block, kill or restart it are not parallel.
var sharedSet = sync.OnceValues(func() (*devstack.ReplicaSet, error) {
	return devstack.StartReplicaSet(context.Background(), devstack.ReplicaSetOptions{Name: "shared", Auth: true})
})

var sharedStandalone = sync.OnceValues(func() (*devstack.ReplicaSet, error) {
	return devstack.StartReplicaSet(context.Background(), devstack.ReplicaSetOptions{Name: "alone", Standalone: true})
})

func start(t *testing.T, shared func() (*devstack.ReplicaSet, error)) *devstack.ReplicaSet {
	t.Helper()
	set, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// dial connects as the destination.
func dial(t *testing.T, uri string) *Client {
	t.Helper()
	c, err := Connect("destination", migration.Endpoint{URI: uri})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// server gives a client of the shared replica set.
func server(t *testing.T) *Client {
	t.Helper()
	return dial(t, start(t, sharedSet).URI())
}

// run sends a command that must succeed.
func run(t *testing.T, c *Client, db string, command bson.D) bson.Raw {
	t.Helper()
	reply, err := c.Run(t.Context(), db, command)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// insert adds documents to the collection c of the test's own database.
func insert(t *testing.T, c *Client, docs ...any) {
	t.Helper()
	run(t, c, t.Name(), bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A(docs)}, Durable()})
}

// contents is every document of the collection c of the test's own database.
func contents(t *testing.T, c *Client) []bson.Raw {
	t.Helper()
	docs, err := All(t.Context(), c, t.Name(), bson.D{{Key: "find", Value: "c"}, {Key: "sort", Value: bson.D{{Key: "_id", Value: 1}}}})
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

func nop() *zap.Logger { return zap.NewNop() }

func marshal(t *testing.T, v any) bson.Raw {
	t.Helper()
	raw, err := bson.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
