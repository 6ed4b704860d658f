package replication

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
)

// refetchLanes writes the lanes that need something from the source. What follows in such
// a lane may then meet a document that is newer. It gives the changes that the source must
// be asked about once more.
func (a *Applier) refetchLanes(ctx context.Context, p *plan) (again []*change, err error) {
	for uuid, lane := range p.lanes {
		for _, ch := range lane {
			ch.settle()
		}
		if !slices.ContainsFunc(lane, (*change).isWanted) {
			continue
		}
		for _, ch := range lane {
			ch.anew = ch.anew || ch.brings
			ch.at = migration.Later(ch.at, p.last)
		}
		some, err := a.refetchLane(ctx, uuid, lane)
		if err != nil {
			return nil, err
		}
		delete(p.lanes, uuid)
		again = append(again, some...)
	}
	return again, nil
}

func (ch *change) isWanted() bool { return ch.base == baseRefetch }

// refetchLane reads what one lane needs, and writes the lane as far as it is read whenever
// that is as much as is good for the memory.
func (a *Applier) refetchLane(ctx context.Context, uuid catalog.UUID, lane []*change) (again []*change, err error) {
	c, err := a.collection(uuid)
	if err != nil {
		return nil, err
	}
	known := map[string]bson.Raw{} // what was read, by _id; nil for nothing
	written, next, held := 0, 0, 0 // so many are written, and ready; bytes of those between
	most := refetchIDs             // to ask for at once
	for {
		next = ready(lane, next)
		if held >= refetchBytes || next == len(lane) {
			some, err := a.writeLane(ctx, uuid, lane[written:next])
			if err != nil {
				return nil, err
			}
			again = append(again, some...)
			written, held = next, 0
			clear(known)
		}
		if next == len(lane) {
			return again, nil
		}
		if doc, ok := known[lane[next].key.id]; ok {
			lane[next].found(c, doc)
			continue
		}
		wanted := wantedOf(lane[next:], most)
		n, err := a.refetch(ctx, c, wanted)
		if err != nil {
			return nil, err
		}
		end := ready(lane, next)
		for _, ch := range wanted[:n] {
			if !slices.Contains(lane[next:end], ch) {
				ch.refetch() // behind one that did not come: it would be held for long
				continue
			}
			known[ch.key.id] = ch.full
			held += len(ch.full)
		}
		if end == next { // they come in another order than the lane's: only few at once fit
			most = max(min(most, n)/2, 1)
		}
	}
}

// ready is up to where all changes of a lane can be written, from one on that can.
func ready(lane []*change, from int) int {
	for from < len(lane) && !lane[from].isWanted() {
		from++
	}
	return from
}

// wantedOf are the first that need something from the source, so many at most.
func wantedOf(lane []*change, most int) (wanted []*change) {
	for _, ch := range lane {
		if len(wanted) == most {
			break
		}
		if ch.isWanted() {
			wanted = append(wanted, ch)
		}
	}
	return wanted
}

func (a *Applier) writeLane(ctx context.Context, uuid catalog.UUID, lane []*change) (again []*change, err error) {
	piece := newPlan(0)
	piece.lanes[uuid] = lane
	again, err = a.write(ctx, piece)
	for _, ch := range lane {
		ch.full = nil // written
	}
	return again, err
}
