package mongodb

import (
	"context"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
)

// many makes a command of as many inserts as are worth a transaction.
func many(t *testing.T, from int) Command {
	t.Helper()
	var ids []any
	for i := range worthTransacting {
		ids = append(ids, from+i)
	}
	return Command{DB: t.Name(), Body: insertCommand(t, ids...), Statements: len(ids)}
}

// transactions is how many the server has committed for this test's documents.
func transactions(t *testing.T, c *Client) int {
	t.Helper()
	found, err := All(t.Context(), c, "local", bson.D{{Key: "find", Value: "oplog.rs"}, {Key: "filter", Value: bson.D{{Key: "o.applyOps.ns", Value: t.Name() + ".c"}}}})
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

// counter is a gate that counts commands, and does something before one of them.
type counter struct {
	n, at int
	do    func()
}

func (g *counter) Check() error {
	if g.n++; g.n == g.at {
		g.do()
	}
	return nil
}

func TestWriteAllInOneTransaction(t *testing.T) {
	t.Parallel()
	c := server(t)
	insert(t, c, bson.D{{Key: "_id", Value: "before"}})
	s := slot(t, c, 1)
	replies, err := s.WriteAll(t.Context(), []Command{many(t, 0), many(t, 100), {DB: t.Name(), Body: insertCommand(t, "last"), Statements: 1}})
	if err != nil || len(replies) != 3 || replies[0].N != worthTransacting || replies[2].N != 1 {
		t.Fatalf("got %+v, %v", replies, err)
	}
	if got := len(contents(t, c)); got != 2*worthTransacting+2 {
		t.Errorf("%d documents", got)
	}
	if n := transactions(t, c); n != 1 {
		t.Errorf("%d transactions", n)
	}
	if _, err := s.WriteAll(t.Context(), []Command{{DB: t.Name(), Body: insertCommand(t, "alone"), Statements: 1}}); err != nil || transactions(t, c) != 1 {
		t.Errorf("one statement: %v, %d transactions", err, transactions(t, c))
	}
}

// TestWriteAllOneByOne: what the server refuses within a transaction leaves nothing of
// it, and is refused by itself when all is sent again.
func TestWriteAllOneByOne(t *testing.T) {
	t.Parallel()
	c := server(t)
	insert(t, c, bson.D{{Key: "_id", Value: 3}})
	s := slot(t, c, 1)
	for range 2 {
		replies, err := s.WriteAll(t.Context(), []Command{many(t, 100), many(t, 0)})
		if err != nil {
			t.Fatal(err)
		}
		if len(replies[1].Errors) == 0 || !replies[1].Errors[len(replies[1].Errors)-1].SameID() {
			t.Errorf("got %+v", replies)
		}
		if got := len(contents(t, c)); got != 2*worthTransacting {
			t.Errorf("%d documents", got)
		}
	}
	if n := transactions(t, c); n != 0 {
		t.Errorf("%d transactions", n)
	}
	if s.passOver == 0 {
		t.Error("it would go on trying")
	}
	s.passOver = 0
	if _, err := s.WriteAll(t.Context(), []Command{many(t, 200)}); err != nil || transactions(t, c) != 1 {
		t.Errorf("after that: %v, %d transactions", err, transactions(t, c))
	}
}

// TestWriteAllOvertaken: a later attempt takes the slot over before each command of
// a transaction, also the one that commits: nothing of it happens.
func TestWriteAllOvertaken(t *testing.T) {
	t.Parallel()
	free := server(t)
	insert(t, free, bson.D{{Key: "_id", Value: "before"}})
	for at := 1; at <= 3; at++ {
		gate := &counter{}
		older := slot(t, free.WithGate(gate), int64(2*at))
		gate.n, gate.at = 0, at
		gate.do = func() { slot(t, free, int64(2*at+1)) }
		_, err := older.WriteAll(t.Context(), []Command{many(t, 0), many(t, 100)})
		if migration.KindOf(err) != migration.Superseded {
			t.Errorf("before command %d: %v", at, err)
		}
		if got := len(contents(t, free)); got != 1 {
			t.Errorf("before command %d: %d documents", at, got)
		}
	}
}

// TestWriteAllStopped: a transaction that is stopped on the way locks nothing.
func TestWriteAllStopped(t *testing.T) {
	t.Parallel()
	free := server(t)
	insert(t, free, bson.D{{Key: "_id", Value: "before"}})
	gate := &counter{}
	s := slot(t, free.WithGate(gate), 1)
	ctx, stop := context.WithCancel(t.Context())
	gate.n, gate.at, gate.do = 0, 2, stop
	if _, err := s.WriteAll(ctx, []Command{many(t, 0), many(t, 100)}); !IsStop(err) {
		t.Errorf("got %v", err)
	}
	// It would wait for an open transaction.
	if _, err := free.Run(t.Context(), t.Name(), bson.D{{Key: "drop", Value: "c"}, {Key: "maxTimeMS", Value: 5000}}); err != nil {
		t.Error(err)
	}
}

// TestWriteAllSentAgain: when nobody knows whether a transaction was committed, all
// is sent again, which changes nothing if it was.
func TestWriteAllSentAgain(t *testing.T) {
	t.Parallel()
	c := server(t)
	insert(t, c, bson.D{{Key: "_id", Value: "before"}})
	s := slot(t, c, 1)
	commands := []Command{many(t, 0), many(t, 100)}
	if _, err := s.transact(t.Context(), commands); err != nil {
		t.Fatal(err)
	}
	s.passOver = 1
	replies, err := s.WriteAll(t.Context(), commands)
	if err != nil || len(replies[0].Errors) != worthTransacting || !replies[1].Errors[0].SameID() {
		t.Errorf("got %+v, %v", replies, err)
	}
	if got := len(contents(t, c)); got != 2*worthTransacting+1 {
		t.Errorf("%d documents", got)
	}
}

// TestWriteAllOverElections: another primary is elected before each command of a
// transaction; everything is there in the end.
func TestWriteAllOverElections(t *testing.T) {
	t.Parallel()
	set := devstack.NewReplicaSet(t, devstack.ReplicaSetOptions{Name: "elects", Members: 3})
	free := dial(t, set.URI())
	insert(t, free, bson.D{{Key: "_id", Value: "before"}})
	gate := &counter{}
	s := slot(t, free.WithGate(gate), 1)
	for at := 1; at <= 3; at++ {
		gate.n, gate.at = 0, at
		gate.do = func() {
			if _, err := set.StepDown(t.Context()); err != nil {
				t.Error(err)
			}
		}
		replies, err := s.WriteAll(t.Context(), []Command{many(t, 1000*at), many(t, 1000*at+100)})
		if err != nil || replies[0].N != worthTransacting || replies[1].N != worthTransacting {
			t.Errorf("before command %d: %+v, %v", at, replies, err)
		}
		s.passOver = 0
	}
	if got := len(contents(t, free)); got != 3*2*worthTransacting+1 {
		t.Errorf("%d documents", got)
	}
}
