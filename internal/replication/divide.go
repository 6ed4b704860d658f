package replication

import (
	"context"
	"hash/maphash"

	"mongoferry/internal/catalog"
)

// worthDividing is how many changes of a collection are more than one command's
// waiting: fewer go to one writer together.
const worthDividing = 200

// task is changes of one collection, a lane's or others.
type task struct {
	uuid    catalog.UUID
	changes []*change
	ordered bool
}

func (t task) write(ctx context.Context, w *writer, to catalog.Collection) error {
	if t.ordered {
		return w.writeInOrder(ctx, to, t.changes)
	}
	return w.write(ctx, to, t.changes)
}

// divide gives each of n writers its share: lanes and small collections as a
// whole, one after the other to the next writer, so that little waits for little;
// large ones by document. Nobody else is at work until all have ended, so the
// same document need not go to the same writer each time.
func (p *plan) divide(n int) [][]task {
	shares := make([][]task, n)
	next := 0
	whole := func(t task) {
		shares[next%n] = append(shares[next%n], t)
		next++
	}
	for uuid, lane := range p.lanes {
		whole(task{uuid, lane, true})
	}
	for uuid, changes := range byCollection(p.order) {
		if len(changes) < worthDividing {
			whole(task{uuid, changes, false})
			continue
		}
		parts := make([]task, n)
		for _, c := range changes {
			i := writerOf(c.key, n)
			parts[i].changes = append(parts[i].changes, c)
		}
		for i, part := range parts {
			shares[i] = append(shares[i], task{uuid, part.changes, false})
		}
	}
	return shares
}

var writerSeed = maphash.MakeSeed()

// writerOf spreads documents over n writers.
func writerOf(k key, n int) int {
	var h maphash.Hash
	h.SetSeed(writerSeed)
	h.Write(k.uuid[:])
	h.WriteString(k.id)
	return int(h.Sum64() % uint64(n))
}
