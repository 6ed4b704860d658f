package mongodb

import (
	"fmt"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/devstack"
)

// TestElectionsWithinReplies: a reply with ok:1 that says, in a write error or in
// the write concern error, that the primary went away is never taken for success,
// and the write is sent again.
func TestElectionsWithinReplies(t *testing.T) {
	t.Parallel()
	c := &Client{name: "destination"}
	s := NewSlot(c, nop(), slotMetaDB, "one", 1)
	command := marshal(t, bson.D{{Key: "update", Value: "c"}})
	for _, code := range []int32{10107, 189, 11602, 64, 91, 11600} {
		inWrites := bson.E{Key: "writeErrors", Value: bson.A{bson.D{{Key: "index", Value: 1}, {Key: "code", Value: code}, {Key: "errmsg", Value: "words"}}}}
		inConcern := bson.E{Key: "writeConcernError", Value: bson.D{{Key: "code", Value: code}, {Key: "codeName", Value: "Name"}, {Key: "errmsg", Value: "words"}}}
		duplicate := bson.E{Key: "writeErrors", Value: bson.A{
			bson.D{{Key: "index", Value: 0}, {Key: "code", Value: CodeDuplicateKey}, {Key: "errmsg", Value: "equal"}},
		}}
		for name, reply := range map[string]bson.D{
			"write error":                     {inWrites},
			"write concern error":             {inConcern},
			"both":                            {inWrites, inConcern},
			"write concern error and another": {duplicate, inConcern},
		} {
			t.Run(fmt.Sprint(code, " as ", name), func(t *testing.T) {
				t.Parallel()
				raw := marshal(t, append(bson.D{{Key: "n", Value: 1}, {Key: "ok", Value: 1.0}}, reply...))
				for by, err := range map[string]error{"Client.Write": clientWrite(c, raw), "Slot.Write": slotWrite(s, command, raw)} {
					if err == nil || !IsTransient(err) || Code(err) != code {
						t.Errorf("%s ends with %v, want a transient error of code %d", by, err, code)
					}
				}
			})
		}
	}
}

// clientWrite is what Client.Write makes of a reply.
func clientWrite(c *Client, reply bson.Raw) error {
	if err := c.asError("update", "db", reply, driver.ExtractErrorFromServerResponse(bsoncore.Document(reply))); err != nil {
		return err
	}
	return c.refused("update", "db", reply)
}

// slotWrite is what one attempt of Slot.Write makes of a reply.
func slotWrite(s *Slot, command, reply bson.Raw) error {
	if err := s.client.asError("update", "db", reply, driver.ExtractErrorFromServerResponse(bsoncore.Document(reply))); err != nil {
		return err
	}
	parsed, err := parseWriteReply("destination", "db", reply)
	if err != nil {
		return err
	}
	return s.passing(commandName(command), "db", parsed)
}

// TestSlotWriteRolledBack: the primary dies when it alone has a write, which the
// others then take from the slot anew. It takes effect once, and also where the
// old primary rolls its own back.
func TestSlotWriteRolledBack(t *testing.T) {
	t.Parallel()
	set := devstack.NewReplicaSet(t, devstack.ReplicaSetOptions{Name: "elects", Members: 3})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	c := dial(t, set.URI())
	insert(t, c, bson.D{{Key: "_id", Value: 1}, {Key: "n", Value: 0}})
	s := slot(t, c, 1)
	primary, err := set.Primary(t.Context())
	must(err)
	others, err := set.Secondaries(t.Context())
	must(err)
	old := dial(t, primary.URI())
	for _, m := range others {
		must(m.Kill())
	}
	ended := make(chan error, 1)
	go func() {
		_, err := s.Write(t.Context(), t.Name(), increment(t))
		ended <- err
	}()
	awaitCount(t, old, 1)
	must(primary.Kill())
	var group errgroup.Group
	for _, m := range others {
		group.Go(func() error { return m.Restart(t.Context()) })
	}
	must(group.Wait())
	must(<-ended)
	if got := contents(t, c)[0].Lookup("n").AsInt64(); got != 1 {
		t.Errorf("the write took effect %d times", got)
	}
	must(primary.Restart(t.Context()))
	awaitCount(t, old, 1)
	if got := contents(t, c)[0].Lookup("n").AsInt64(); got != 1 {
		t.Errorf("after the rollback the write took effect %d times", got)
	}
}

// awaitCount waits until a member, by itself, holds n.
func awaitCount(t *testing.T, member *Client, n int64) {
	t.Helper()
	for t.Context().Err() == nil {
		found, err := All(t.Context(), member, t.Name(), bson.D{{Key: "find", Value: "c"},
			{Key: "readConcern", Value: bson.D{{Key: "level", Value: "local"}}}, {Key: "$readPreference", Value: bson.D{{Key: "mode", Value: "secondaryPreferred"}}}})
		if err == nil && len(found) == 1 && found[0].Lookup("n").AsInt64() == n {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("the member never held n %d", n)
}
