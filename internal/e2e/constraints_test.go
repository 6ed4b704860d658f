package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
)

// ttlPasses waits until a server has looked for expired documents twice.
func (s *stack) ttlPasses(c *mongo.Client) {
	s.t.Helper()
	passes := func() int64 {
		var status struct {
			Metrics struct {
				TTL struct{ Passes int64 }
			}
		}
		if err := c.Database("admin").RunCommand(context.Background(), bson.D{{Key: "serverStatus", Value: 1}}).Decode(&status); err != nil {
			s.t.Fatal(err)
		}
		return status.Metrics.TTL.Passes
	}
	before := passes()
	for end := time.Now().Add(patience); passes() < before+2; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatal("the server looks for nothing that has expired")
		}
	}
}

// oplogTime is when an entry was written to the destination's oplog.
func (s *stack) oplogTime(filter bson.D) bson.Timestamp {
	s.t.Helper()
	var entry struct {
		TS bson.Timestamp `bson:"ts"`
	}
	err := s.dest.Database("local").Collection("oplog.rs").FindOne(context.Background(), filter).Decode(&entry)
	if err != nil {
		s.t.Fatalf("look for %v in the oplog: %v", filter, err)
	}
	return entry.TS
}

// resumeAndAwait goes on after a pause, until the status names indexes like this.
func (s *stack) resumeAndAwait(id, indexes string) {
	s.t.Helper()
	s.mustUpdate(id, migration.MessageResume)
	s.await(id, "unsuccessful indexes "+indexes, func(st migration.Status) bool {
		var names []string
		for _, i := range st.Cutover.UnsuccessfulIndexes {
			names = append(names, i.IndexName)
		}
		return strings.Join(names, " ") == indexes
	})
}

// awaitSlice waits until a slice has come as far as to apply changes. One that is
// interrupted before leaves it to the next to find out how things stand.
func (s *stack) awaitSlice() {
	s.t.Helper()
	meta := s.dest.Database(migration.DefaultMetadataDB)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var marker struct {
			Lanes map[string]int64
		}
		if err := meta.Collection("marker").FindOne(context.Background(), bson.D{}).Decode(&marker); err != nil {
			s.t.Fatal(err)
		}
		n, err := meta.Collection("slots").CountDocuments(context.Background(), bson.D{{Key: "epoch", Value: marker.Lanes["replication"]}})
		if err != nil {
			s.t.Fatal(err)
		}
		if n == writers {
			return
		}
	}
	s.t.Fatal("no slice has begun")
}

// writers is how many slots a slice takes, whatever its load.
const writers = 8

// TestConstraints: equal keys on the destination are listed while there is time to
// mend them, and vanish from the list when they are mended; a small unique index
// with a plain twin stands before the destination opens; and what expires is
// deleted by the source alone until then.
func TestConstraints(t *testing.T) {
	t.Parallel()
	s := newStackOf(t, devstack.ReplicaSetOptions{Parameters: []string{"ttlMonitorSleepSecs=1"}})
	s.worker()
	ctx := t.Context()
	on := func(c *mongo.Client, name string) *mongo.Collection { return c.Database("shop").Collection(name) }
	key := func(name string) bson.D { return bson.D{{Key: name, Value: 1}} }
	indexes := map[string][]mongo.IndexModel{
		"users": {
			{Keys: key("mail"), Options: options.Index().SetName("mail").SetUnique(true)},
			{Keys: key("n"), Options: options.Index().SetName("plain")},
			{Keys: key("n"), Options: options.Index().SetName("twin").SetUnique(true)},
		},
		"sessions": {{Keys: key("at"), Options: options.Index().SetName("ttl").SetExpireAfterSeconds(0).SetHidden(true)}},
	}
	for name, models := range indexes {
		if _, err := on(s.source, name).Indexes().CreateMany(ctx, models); err != nil {
			t.Fatal(err)
		}
	}
	insert := func(c *mongo.Client, name string, doc bson.D) {
		t.Helper()
		if _, err := on(c, name).InsertOne(ctx, doc); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(c *mongo.Client, name string, id any) {
		t.Helper()
		if r, err := on(c, name).DeleteOne(ctx, bson.D{{Key: "_id", Value: id}}); err != nil || r.DeletedCount != 1 {
			t.Fatalf("delete %v of %s: %+v, %v", id, name, r, err)
		}
	}
	insert(s.source, "users", bson.D{{Key: "_id", Value: 1}, {Key: "mail", Value: "x"}, {Key: "n", Value: 1}})
	insert(s.source, "sessions", bson.D{{Key: "_id", Value: "fresh"}, {Key: "at", Value: time.Now().Add(time.Hour)}})
	spec := s.spec("c")
	spec.ReadyLag = time.Minute // a pause does not keep the look from being taken
	run := s.start(spec)
	s.awaitPhase("c", migration.Ready)
	s.awaitSlice()

	insert(s.source, "sessions", bson.D{{Key: "_id", Value: "stale"}, {Key: "at", Value: time.Now().Add(-time.Hour)}})
	s.ttlPasses(s.source)
	s.mustUpdate("c", migration.MessagePause)
	insert(s.dest, "sessions", bson.D{{Key: "_id", Value: "theirs"}, {Key: "at", Value: time.Now().Add(-time.Hour)}})
	insert(s.dest, "users", bson.D{{Key: "_id", Value: 2}, {Key: "mail", Value: "x"}, {Key: "n", Value: 2}})
	insert(s.dest, "users", bson.D{{Key: "_id", Value: 3}, {Key: "n", Value: 2}})
	s.ttlPasses(s.dest)
	remove(s.dest, "sessions", "theirs") // nothing has expired there
	s.resumeAndAwait("c", "mail twin")
	s.awaitSlice()
	s.mustUpdate("c", migration.MessagePause)
	remove(s.dest, "users", 2)
	remove(s.dest, "users", 3)
	s.resumeAndAwait("c", "")

	s.mustUpdate("c", migration.MessageCutover)
	var final migration.Status
	if err := run.Get(ctx, &final); err != nil {
		t.Fatal(err)
	}
	if len(final.Cutover.UnsuccessfulIndexes) > 0 || len(final.Notices) != 2 || !strings.Contains(final.Notices[0].Message, "index mail of shop.users: documents with equal keys") {
		t.Errorf("final status %+v", final)
	}
	s.identical()
	built := s.oplogTime(bson.D{{Key: "ns", Value: "shop.$cmd"}, {Key: "o.indexes.name", Value: "twin"}, {Key: "o.commitIndexBuild", Value: "users"}})
	opening := s.oplogTime(bson.D{{Key: "ns", Value: migration.DefaultMetadataDB + ".marker"}, {Key: "o.diff.scutover.u.state", Value: "opening"}})
	if !built.Before(opening) {
		t.Errorf("the unique twin was built at %v, the destination opened at %v", built, opening)
	}
	insert(s.dest, "sessions", bson.D{{Key: "_id", Value: "stale"}, {Key: "at", Value: time.Now().Add(-time.Hour)}})
	s.ttlPasses(s.dest)
	if n, err := on(s.dest, "sessions").CountDocuments(ctx, bson.D{}); err != nil || n != 1 {
		t.Errorf("%d sessions on the destination, %v", n, err)
	}
}
