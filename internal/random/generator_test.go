package random

import (
	"math/rand/v2"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// TestGeneratorGoesOn: whatever the server takes and refuses, there is always a next
// operation, and a file can hold it.
func TestGeneratorGoesOn(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		g, answers := NewGenerator(seed, 0), rand.New(rand.NewPCG(seed, 1))
		g.sparesViews = seed%2 == 0
		for range 200 {
			op := g.Next()
			if g.sparesViews && dropsViews(g, op.Doc) {
				t.Fatalf("seed %d: all views of a database are dropped at once: %v", seed, op.Doc)
			}
			if _, err := bson.MarshalExtJSON(op.Doc, true, false); err != nil {
				t.Fatalf("seed %d: %v: %v", seed, op.Doc, err)
			}
			if op.taken != nil && answers.IntN(5) > 0 {
				op.taken()
			}
		}
	}
}

// dropsViews says that an operation drops all views of a database.
func dropsViews(g *Generator, op bson.D) bool {
	if op[0].Key != "dropDatabase" {
		return op[0] == (bson.E{Key: "drop", Value: "system.views"})
	}
	for p, c := range g.collections {
		if p.db == op[1].Value && (c.kind == view || c.kind == series) {
			return true
		}
	}
	return false
}

// TestTransactionsHoldWhatTheyCan: no change in a careful transaction is to a
// collection that takes none.
func TestTransactionsHoldWhatTheyCan(t *testing.T) {
	t.Parallel()
	g := NewGenerator(1, 0)
	for _, k := range []kind{capped, series, functions, view} {
		g.collections[place{first, names[k]}] = &collection{kind: k}
	}
	at := place{second, "ordinary"}
	g.collections[at] = &collection{kind: plain}
	for range 300 {
		doc := g.changeTogether(false)
		if got := (place{doc[len(doc)-1].Value.(string), doc[0].Value.(string)}); got != at {
			t.Fatalf("a transaction would change %s", got)
		}
	}
}
