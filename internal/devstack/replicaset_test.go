package devstack_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"mongoferry/internal/devstack"
)

func TestMain(m *testing.M) { os.Exit(devstack.Main(m)) }

func connect(t *testing.T, uri string) *mongo.Client {
	t.Helper()
	c, err := mongo.Connect(options.Client().ApplyURI(uri).SetServerSelectionTimeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Disconnect(context.Background()) })
	return c
}

// TestElections: a set of three with passwords elects another primary after a
// step-down and after a death, and the dead member comes back as a secondary.
func TestElections(t *testing.T) {
	t.Parallel()
	set := devstack.NewReplicaSet(t, devstack.ReplicaSetOptions{Name: "three", Members: 3, Auth: true})
	if n := strings.Count(set.URI(), "127.0.0.1:"); n != 3 {
		t.Fatalf("%s names %d hosts", set.URI(), n)
	}
	first, err := set.Primary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := set.StepDown(t.Context())
	if err != nil || second == first {
		t.Fatalf("after the step-down of %s: %s, %v", first.Host(), second.Host(), err)
	}
	if err := second.Kill(); err != nil {
		t.Fatal(err)
	}
	third, err := set.NextPrimary(t.Context(), second)
	if err != nil || third == second {
		t.Fatalf("after the death of %s: %v", second.Host(), err)
	}
	docs := connect(t, set.URI()).Database("d").Collection("c")
	if _, err := docs.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := second.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestProxy: what is cut fails at once, what hangs is not answered, and after
// healing all is well.
func TestProxy(t *testing.T) {
	t.Parallel()
	set := devstack.NewReplicaSet(t, devstack.ReplicaSetOptions{Name: "one"})
	proxy := devstack.NewProxy(t, set.Host())
	ping := func() error {
		c := connect(t, proxy.URI()+"&serverSelectionTimeoutMS=300")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return c.Ping(ctx, nil)
	}
	kept := connect(t, proxy.URI())
	for _, state := range []struct {
		turn func()
		ok   bool
	}{{proxy.Heal, true}, {proxy.Cut, false}, {proxy.Heal, true}, {proxy.Hang, false}, {proxy.Heal, true}} {
		state.turn()
		if err := ping(); (err == nil) != state.ok {
			t.Fatalf("want passing %t, got %v", state.ok, err)
		}
	}
	if err := kept.Ping(t.Context(), nil); err != nil {
		t.Errorf("a client that was there all the time: %v", err)
	}
}
