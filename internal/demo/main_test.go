package demo

import (
	"context"
	"os"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"mongoferry/internal/devstack"
)

func TestMain(m *testing.M) { os.Exit(devstack.Main(m)) }

// pair is two replica sets and a client for each.
func pair(t *testing.T) (source, destination *mongo.Client) {
	t.Helper()
	return dial(t, "source"), dial(t, "destination")
}

func dial(t *testing.T, name string) *mongo.Client {
	t.Helper()
	set := devstack.NewReplicaSet(t, devstack.ReplicaSetOptions{Name: name})
	c, err := mongo.Connect(options.Client().ApplyURI(set.URI()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Disconnect(context.Background()) })
	return c
}

// compare gives the differences.
func compare(t *testing.T, source, destination *mongo.Client) []string {
	t.Helper()
	diffs, err := Compare(t.Context(), source, destination)
	if err != nil {
		t.Fatal(err)
	}
	return diffs
}
