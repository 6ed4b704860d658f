package replication

import (
	"context"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
)

type atOnce int

func (a atOnce) Documents(int64) int                      { return int(a) }
func (a atOnce) Wait(context.Context, int64, int64) error { return nil }

// TestPieces: each piece ends with the checkpoint of its last event, of whose time
// there may be more; the last one with that of the batch.
func TestPieces(t *testing.T) {
	t.Parallel()
	b := readBatch{token: bson.Raw{9}, opTime: migration.OpTime{T: 99}}
	for i := range 5 {
		b.events = append(b.events, event{token: bson.Raw{byte(i)}, at: migration.OpTime{T: uint32(10 + i), I: 2}})
	}
	for limit, want := range map[int][]int{1: {1, 1, 1, 1, 1}, 2: {2, 2, 1}, 4: {4, 1}, 5: {5}, 100: {5}} {
		a := Applier{Config: Config{Limit: atOnce(limit)}}
		var sizes []int
		next := 0
		pieces := a.pieces(b)
		for i, p := range pieces {
			sizes = append(sizes, len(p.events))
			next += len(p.events)
			last := i == len(pieces)-1
			if last && (p.token[0] != 9 || p.opTime != b.opTime) {
				t.Errorf("%d at once: the last piece ends at %v", limit, p.opTime)
			}
			if !last && (p.token[0] != byte(next-1) || p.opTime != b.events[next-1].at.Previous()) {
				t.Errorf("%d at once: piece %d ends at %v", limit, i, p.opTime)
			}
		}
		if len(sizes) != len(want) || next != 5 {
			t.Errorf("%d at once: %v, want %v", limit, sizes, want)
		}
	}
	if got := (&Applier{}).pieces(b); len(got) != 1 {
		t.Errorf("%d pieces without a limit", len(got))
	}
}
