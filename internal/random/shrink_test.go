package random

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// TestShrinkFindsThePair: of a long log that fails because of an insert and a drop
// after it, those two are left.
func TestShrinkFindsThePair(t *testing.T) {
	t.Parallel()
	insert, drop := d("insert", "planted", "documents", bson.A{d("_id", "x")}, "$db", first), d("drop", "planted", "$db", first)
	for _, at := range [][2]int{{0, 1}, {7, 250}, {120, 121}, {0, 301}} {
		log := randomLog(300)
		log = append(log[:at[0]:at[0]], append([]bson.D{insert}, log[at[0]:]...)...)
		log = append(log[:at[1]:at[1]], append([]bson.D{drop}, log[at[1]:]...)...)
		fails := func(ops []bson.D) bool {
			inserted := false
			for _, op := range ops {
				switch op[0] {
				case drop[0]:
					return inserted
				case insert[0]:
					inserted = true
				}
			}
			return false
		}
		small := Shrink(log, fails)
		if got, want := text(t, small), text(t, []bson.D{insert, drop}); got != want {
			t.Errorf("planted at %v: %s is left", at, got)
		}
	}
}

// randomLog is what a writer does whose server takes everything.
func randomLog(n int) (log []bson.D) {
	g := NewGenerator(1, 0)
	for range n {
		op := g.Next()
		if op.taken != nil {
			op.taken()
		}
		log = append(log, op.Doc)
	}
	return log
}
