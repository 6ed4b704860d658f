package replication

import (
	"hash/maphash"

	"mongoferry/internal/catalog"
)

// worthDividing is how many changes of a collection are more than one command's
// waiting: fewer go to one writer together.
const worthDividing = 200

// share is what one writer has to do, by collection.
type share map[catalog.UUID][]*change

// divide gives each of n writers its share: lanes and small collections as a
// whole, one after the other to the next writer, so that little waits for little;
// large ones by document. Nobody else is at work until all have ended, so the
// same document need not go to the same writer each time.
func (p *plan) divide(n int) []share {
	shares := make([]share, n)
	for i := range shares {
		shares[i] = share{}
	}
	next := 0
	whole := func(uuid catalog.UUID, changes []*change) {
		shares[next%n][uuid] = changes
		next++
	}
	for uuid, lane := range p.lanes {
		whole(uuid, lane)
	}
	for uuid, changes := range byCollection(p.order) {
		if len(changes) < worthDividing {
			whole(uuid, changes)
			continue
		}
		for _, c := range changes {
			i := writerOf(c.key, n)
			shares[i][uuid] = append(shares[i][uuid], c)
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
