package replication

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// TestAskable: a query asks for as many documents as fit into one, at least one.
func TestAskable(t *testing.T) {
	t.Parallel()
	of := func(n, size int) (changes []*change) {
		for range n {
			changes = append(changes, &change{id: bson.RawValue{Type: bson.TypeString, Value: make([]byte, size)}})
		}
		return changes
	}
	for _, c := range []struct{ n, size, want int }{{5, 10, 5}, {5000, 10, refetchIDs}, {6, 3 << 20, 1}, {6, 1 << 20, 4}, {1, 8 << 20, 1}} {
		if got := askable(of(c.n, c.size), refetchIDs); got != c.want {
			t.Errorf("%d of %d bytes: %d, want %d", c.n, c.size, got, c.want)
		}
	}
}
