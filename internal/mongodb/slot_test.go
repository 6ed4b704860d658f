package mongodb

import (
	"errors"
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
)

const slotMetaDB = "slots_meta"

// slot makes a slot of the test's own name and takes it.
func slot(t *testing.T, c *Client, epoch int64) *Slot {
	t.Helper()
	s := NewSlot(c, nop(), slotMetaDB, t.Name(), epoch)
	if err := s.Take(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func insertCommand(t *testing.T, ids ...any) bson.Raw {
	t.Helper()
	docs := bson.A{}
	for _, id := range ids {
		docs = append(docs, bson.D{{Key: "_id", Value: id}})
	}
	return marshal(t, bson.D{{Key: "insert", Value: "c"}, {Key: "ordered", Value: false}, {Key: "documents", Value: docs}})
}

func TestSlotRefusesOlderAttempt(t *testing.T) {
	t.Parallel()
	c := server(t)
	older := slot(t, c, 7)
	if _, err := older.Write(t.Context(), t.Name(), insertCommand(t, 1)); err != nil {
		t.Fatal(err)
	}
	newer := slot(t, c, 8)
	_, err := older.Write(t.Context(), t.Name(), insertCommand(t, 2))
	if migration.KindOf(err) != migration.Superseded || Code(err) != CodeTransactionTooOld {
		t.Errorf("write of the older attempt: got %v, want the server's refusal as %s", err, migration.Superseded)
	}
	if err := older.Take(t.Context()); migration.KindOf(err) != migration.Superseded {
		t.Errorf("the older attempt takes the slot back: got %v, want %s", err, migration.Superseded)
	}
	if _, err := newer.Write(t.Context(), t.Name(), insertCommand(t, 3)); err != nil {
		t.Errorf("write of the newer attempt: %v", err)
	}
	if got := contents(t, c); len(got) != 2 {
		t.Errorf("got %s, want documents 1 and 3", got)
	}
}

// TestRowSentAgain: statements that build on each other come to the same when the row is
// sent again. Under the same number the server would repeat the first, which changed
// nothing, and not the second.
func TestRowSentAgain(t *testing.T) {
	t.Parallel()
	c := server(t)
	s := slot(t, c, 1)
	row := func() bson.Raw {
		return marshal(t, bson.D{{Key: "update", Value: "c"}, {Key: "ordered", Value: true}, {Key: "updates", Value: bson.A{
			bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "u", Value: bson.D{{Key: "$unset", Value: bson.D{{Key: "z", Value: true}}}}}},
			bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "u", Value: bson.D{{Key: "$set", Value: bson.D{{Key: "z", Value: 1}}}}}},
		}}})
	}
	for name, try := range map[string]func() bson.Raw{"once": s.once(row()), "each time": s.eachTime(row())} {
		insert(t, c, bson.D{{Key: "_id", Value: 1}})
		for range 2 {
			if _, err := c.RunRaw(t.Context(), t.Name(), try()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := contents(t, c)[0].LookupErr("z"); (err == nil) != (name == "each time") {
			t.Errorf("sent again, with a number %s: %s", name, contents(t, c))
		}
		if err := c.Write(t.Context(), t.Name(), bson.D{{Key: "delete", Value: "c"}, {Key: "deletes", Value: bson.A{
			bson.D{{Key: "q", Value: bson.D{}}, {Key: "limit", Value: 0}}}}}); err != nil {
			t.Fatal(err)
		}
	}
}

// A later attempt shuts out an older one that has written far more: the epoch
// weighs more than any count of writes.
func TestSlotEpochOutweighsSequence(t *testing.T) {
	t.Parallel()
	c := server(t)
	older := slot(t, c, 1)
	older.seq = 1<<32 - 2
	if _, err := older.Write(t.Context(), t.Name(), insertCommand(t, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := slot(t, c, 2).Write(t.Context(), t.Name(), insertCommand(t, 2)); err != nil {
		t.Fatal(err)
	}
	if _, err := older.Write(t.Context(), t.Name(), insertCommand(t, 3)); err == nil {
		t.Error("the older attempt wrote behind the newer one")
	}
}

func TestSlotsOfOtherNamesAreApart(t *testing.T) {
	t.Parallel()
	c := server(t)
	one := slot(t, c, 1)
	other := NewSlot(c, nop(), slotMetaDB, t.Name()+" other", 2)
	if err := other.Take(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Write(t.Context(), t.Name(), insertCommand(t, 1)); err != nil {
		t.Errorf("a take-over of another slot shut this one out: %v", err)
	}
}

func TestSlotWriteSentAgainHappensOnce(t *testing.T) {
	t.Parallel()
	c := server(t)
	s := slot(t, c, 1)
	insert(t, c, bson.D{{Key: "_id", Value: 1}, {Key: "n", Value: 0}})
	s.seq++
	raw := s.sign(increment(t))
	for range 3 {
		if _, err := c.RunRaw(t.Context(), t.Name(), raw); err != nil {
			t.Fatal(err)
		}
	}
	if got := contents(t, c)[0].Lookup("n").AsInt64(); got != 1 {
		t.Errorf("the same write took effect %d times", got)
	}
}

func increment(t *testing.T) bson.Raw {
	t.Helper()
	return marshal(t, bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{bson.D{
		{Key: "q", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "u", Value: bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}}},
	}}}})
}

func TestSlotSign(t *testing.T) {
	t.Parallel()
	command := marshal(t, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: 1}}}}})
	s := NewSlot(nil, nop(), slotMetaDB, "one", 5)
	s.seq = 9
	var signed struct {
		Insert    string   `bson:"insert"`
		Documents []bson.D `bson:"documents"`
		LSID      struct {
			ID bson.Binary `bson:"id"`
		} `bson:"lsid"`
		TxnNumber int64  `bson:"txnNumber"`
		Concern   bson.D `bson:"writeConcern"`
	}
	if err := bson.Unmarshal(s.sign(command), &signed); err != nil {
		t.Fatal(err)
	}
	if signed.Insert != "c" || len(signed.Documents) != 1 {
		t.Errorf("the command itself was changed: %+v", signed)
	}
	if signed.TxnNumber != 5<<32|9 {
		t.Errorf("got txnNumber %d, want %d", signed.TxnNumber, int64(5<<32|9))
	}
	if got := fmt.Sprint(signed.Concern); got != `{"w":"majority","j":true}` {
		t.Errorf("got write concern %s", got)
	}
	if signed.LSID.ID.Subtype != bson.TypeBinaryUUID {
		t.Errorf("lsid is not a UUID: %+v", signed.LSID)
	}
	if !same(s, NewSlot(nil, nop(), slotMetaDB, "one", 6)) || same(s, NewSlot(nil, nop(), slotMetaDB, "two", 5)) {
		t.Error("the session must depend on the slot's name, and on nothing else")
	}
}

func same(a, b *Slot) bool { return string(a.lsid) == string(b.lsid) }

func TestSlotGivesWriteErrors(t *testing.T) {
	t.Parallel()
	c := server(t)
	s := slot(t, c, 1)
	if _, err := s.Write(t.Context(), t.Name(), insertCommand(t, 1, 2)); err != nil {
		t.Fatal(err)
	}
	reply, err := s.Write(t.Context(), t.Name(), insertCommand(t, 0, 2, 3, 1))
	if err != nil {
		t.Fatal(err)
	}
	if reply.N != 2 || len(reply.Errors) != 2 {
		t.Fatalf("got %+v, want two documents inserted and two refused", reply)
	}
	for i, index := range []int{1, 3} {
		e := reply.Errors[i]
		if e.Index != index || e.Code != CodeDuplicateKey || e.KeyPattern.String() != `{"_id": {"$numberInt":"1"}}` {
			t.Errorf("error %d: got %+v with the key pattern %s", i, e, e.KeyPattern)
		}
	}
}

func TestSlotCountsUpdates(t *testing.T) {
	t.Parallel()
	c := server(t)
	s := slot(t, c, 1)
	insert(t, c, bson.D{{Key: "_id", Value: 1}, {Key: "n", Value: 0}})
	reply, err := s.Write(t.Context(), t.Name(), marshal(t, bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{
		bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "u", Value: bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: 0}}}}}},
		bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "u", Value: bson.D{{Key: "n", Value: 5}}}},
		bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: 2}}}, {Key: "u", Value: bson.D{{Key: "n", Value: 0}}}, {Key: "upsert", Value: true}},
	}}}))
	if err != nil {
		t.Fatal(err)
	}
	if reply.N != 3 || reply.Modified != 1 {
		t.Errorf("got %+v", reply)
	}
}

// While an older attempt's write is under way, a take-over waits for its end:
// afterwards nothing of it can still arrive.
func TestTakeWaitsForTheOlderWrite(t *testing.T) {
	t.Parallel()
	c := server(t)
	insert(t, c, bson.D{{Key: "_id", Value: 1}})
	older := slot(t, c, 1)
	slow := marshal(t, bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{bson.D{
		{Key: "q", Value: bson.D{{Key: "$where", Value: "sleep(300) || true"}}},
		{Key: "u", Value: bson.D{{Key: "$set", Value: bson.D{{Key: "slow", Value: true}}}}},
	}}}})
	ended := make(chan error, 1)
	go func() {
		_, err := older.Write(t.Context(), t.Name(), slow)
		ended <- err
	}()
	for len(underWay(t, c, older)) == 0 {
		if t.Context().Err() != nil {
			t.Fatal("the slow write never began")
		}
	}
	newer := slot(t, c, 2)
	for _, op := range underWay(t, c, newer) {
		t.Errorf("a command of the older attempt is under way after the take-over: %s", op)
	}
	after := fmt.Sprint(contents(t, c))
	err := <-ended
	if err != nil && !errors.As(err, new(*migration.Fault)) {
		t.Errorf("the older write: %v", err)
	}
	if got := fmt.Sprint(contents(t, c)); got != after {
		t.Errorf("changed after the take-over from %s to %s", after, got)
	}
}

// underWay are the commands that are at work in a slot's session on the server. One
// that has done its work, holds no lock and waits for a majority is not: its
// session is free, and the next one's may be through as soon as its own.
func underWay(t *testing.T, c *Client, s *Slot) []bson.Raw {
	t.Helper()
	ops, err := All(t.Context(), c, "admin", bson.D{
		{Key: "aggregate", Value: 1}, {Key: "cursor", Value: bson.D{}},
		{Key: "pipeline", Value: bson.A{
			bson.D{{Key: "$currentOp", Value: bson.D{}}},
			bson.D{{Key: "$match", Value: bson.D{{Key: "active", Value: true}, {Key: "lsid.id", Value: s.lsid.Lookup("id")},
				{Key: "locks", Value: bson.D{{Key: "$ne", Value: bson.D{}}}}}}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return ops
}

// The server dies under a write and comes back: the write happens, and once.
func TestSlotWriteOutlivesTheServer(t *testing.T) {
	set := start(t, sharedSet)
	c := server(t)
	s := slot(t, c, 1)
	insert(t, c, bson.D{{Key: "_id", Value: 1}, {Key: "n", Value: 0}})
	if err := set.Kill(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := s.Write(t.Context(), t.Name(), increment(t))
		ended <- err
	}()
	if err := set.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if got := contents(t, c)[0].Lookup("n").AsInt64(); got != 1 {
		t.Errorf("the write took effect %d times", got)
	}
}

// TestEmptyTimestamps: a server that can be told to leave an empty timestamp as it
// is is told so; one that does not know the option still takes what is written.
func TestEmptyTimestamps(t *testing.T) {
	t.Parallel()
	old := devstack.NewOldReplicaSet(t)
	for _, c := range []struct {
		client *Client
		keeps  bool
	}{{server(t), true}, {dial(t, old.URI()), false}} {
		s := slot(t, c.client, 1)
		b := bsoncore.NewDocumentBuilder().AppendString("insert", "c").
			AppendArray("documents", bsoncore.NewArrayBuilder().
				AppendDocument(bsoncore.NewDocumentBuilder().AppendInt32("_id", 1).AppendTimestamp("at", 0, 0).Build()).Build())
		s.AppendOptions(b)
		if reply, err := s.Write(t.Context(), t.Name(), bson.Raw(b.Build())); err != nil || reply.N != 1 {
			t.Fatalf("keeps %t: %+v, %v", c.keeps, reply, err)
		}
		seconds, _, _ := contents(t, c.client)[0].Lookup("at").TimestampOK()
		if s.KeepsEmptyTimestamps != c.keeps || (seconds == 0) != c.keeps {
			t.Errorf("keeps %t, want %t: the timestamp is %d", s.KeepsEmptyTimestamps, c.keeps, seconds)
		}
	}
}
