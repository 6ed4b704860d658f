package replication

import (
	"context"
	"slices"

	"mongoferry/internal/catalog"
)

// refetchLanes reads what lanes need from the source. What follows in such a lane may then
// meet a document that is newer. It gives the changes that the source must be asked about
// once more.
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
		}
		rest, some, err := a.refetchLane(ctx, uuid, lane)
		if err != nil {
			return nil, err
		}
		p.lanes[uuid] = rest
		again = append(again, some...)
	}
	return again, nil
}

func (ch *change) isWanted() bool { return ch.base == baseRefetch }

// refetchLane reads what one lane needs. When that is more than is good for the memory,
// it writes the lane as far as it is read, and gives what is left.
func (a *Applier) refetchLane(ctx context.Context, uuid catalog.UUID, lane []*change) (rest, again []*change, err error) {
	c, _ := a.Map.ByUUID(uuid)
	known := map[string]*change{} // what was read last, by _id
	held := 0
	wanted := slices.DeleteFunc(slices.Clone(lane), func(ch *change) bool { return !ch.isWanted() })
	for len(wanted) > 0 {
		if same := known[wanted[0].key.id]; same != nil && !wanted[0].at.After(same.asOf) {
			wanted[0].found(c, same.full, same.asOf)
			wanted = wanted[1:]
			continue
		}
		_, n, err := a.refetch(ctx, uuid, wanted)
		if err != nil {
			return nil, nil, err
		}
		for _, ch := range wanted[:n] {
			known[ch.key.id] = ch
			held += len(ch.full)
		}
		wanted = wanted[n:]
		if held < refetchBytes || len(wanted) == 0 {
			continue
		}
		done := slices.IndexFunc(lane, (*change).isWanted)
		piece := newPlan(0)
		piece.lanes[uuid] = lane[:done]
		some, err := a.write(ctx, piece)
		if err != nil {
			return nil, nil, err
		}
		for _, ch := range lane[:done] {
			ch.full = nil // written
		}
		again, lane = append(again, some...), lane[done:]
		clear(known)
		held = 0
	}
	return lane, again, nil
}
