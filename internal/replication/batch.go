package replication

import (
	"context"
	"fmt"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
)

// apply carries out the events of a batch. safeAfter is the time up to which any
// document may be newer than its event.
func (a *Applier) apply(ctx context.Context, events []event, safeAfter migration.OpTime) error {
	p := newPlan()
	for i := range events {
		e := &events[i]
		if e.isDocument() {
			a.plan(p, e, safeAfter)
			continue
		}
		if err := a.flush(ctx, p); err != nil {
			return err
		}
		p = newPlan()
		if err := a.changeCatalog(ctx, e); err != nil {
			return err
		}
		a.checkpoint(e)
	}
	return a.flush(ctx, p)
}

// checkpoint moves the position within a batch: behind a catalog change, which can
// take long, and with everything before it applied.
func (a *Applier) checkpoint(e *event) {
	a.progress.ResumeToken = e.token
	// More events of the same time may follow.
	a.progress.OpTime = migration.Later(a.progress.OpTime, before(e.at))
	if a.Report != nil {
		a.Report(a.progress)
	}
}

// plan routes a document event by the collection's UUID. One of a collection
// that is not migrated, or no longer exists, is ignored.
func (a *Applier) plan(p *plan, e *event, safeAfter migration.OpTime) {
	c, ok := a.Map.ByUUID(e.uuid)
	if !ok || a.gone[e.uuid] {
		a.ignore(e)
		return
	}
	if a.Watch != nil {
		a.Watch(Change{NS: c.NS, Kind: e.kind, ID: e.id, At: e.at, TTL: e.kind == kindDelete && c.HasTTL()})
	}
	k := key{e.uuid, canonicalID(e.id)}
	known, isAhead := a.ahead[k]
	if isAhead && !e.at.After(known.atLeast) {
		return // the document that was read from the source holds this change
	}
	stale := !e.at.After(safeAfter) || (isAhead && !e.at.After(known.atMost))
	p.add(c, k, e, stale)
}

func (a *Applier) ignore(e *event) {
	a.progress.Ignored++
	if !a.Filter.Matches(e.ns) || a.unknown[e.uuid] {
		return
	}
	a.unknown[e.uuid] = true
	a.Log.Info("ignoring changes of a collection that no longer exists",
		zap.String("ns", e.ns.String()), zap.Stringer("uuid", e.uuid), zap.Stringer("optime", e.at))
}

// flush applies what the plan holds, all writers side by side, and ends when
// everything is durable.
func (a *Applier) flush(ctx context.Context, p *plan) error {
	if p.empty() {
		return nil
	}
	if err := a.refetch(ctx, p.toRefetch()); err != nil {
		return err
	}
	again, err := a.write(ctx, p)
	if err != nil {
		return err
	}
	if len(again) > 0 {
		for _, c := range again {
			c.refetch()
		}
		if err := a.refetch(ctx, again); err != nil {
			return err
		}
		second := newPlan()
		second.order = again
		if again, err = a.write(ctx, second); err != nil {
			return err
		}
		if len(again) > 0 {
			return fmt.Errorf("changes of %d documents could not be applied even as whole documents", len(again))
		}
	}
	a.progress.EventsApplied += p.events
	return nil
}

func (p *plan) toRefetch() []*change {
	var out []*change
	for _, c := range p.order {
		if c.base == baseRefetch {
			out = append(out, c)
		}
	}
	for _, lane := range p.lanes {
		for _, c := range lane {
			if c.base == baseRefetch {
				out = append(out, c)
			}
		}
	}
	return out
}

// write gives each writer its share and returns the changes that the source must
// be asked about after all.
func (a *Applier) write(ctx context.Context, p *plan) ([]*change, error) {
	shares := make([]map[catalog.UUID][]*change, len(a.slots))
	for i := range shares {
		shares[i] = map[catalog.UUID][]*change{}
	}
	for _, c := range p.order {
		n := writerOf(c.key, len(a.slots))
		shares[n][c.key.uuid] = append(shares[n][c.key.uuid], c)
	}
	for uuid, lane := range p.lanes {
		n := writerOf(key{uuid: uuid}, len(a.slots))
		shares[n][uuid] = append(shares[n][uuid], lane...)
	}
	again := make([][]*change, len(a.slots))
	group, ctx := errgroup.WithContext(ctx)
	for n, share := range shares {
		group.Go(func() error {
			w := writer{slot: a.slots[n]}
			for uuid, changes := range share {
				c, ok := a.Map.ByUUID(uuid)
				if !ok {
					return fmt.Errorf("the catalog map lost collection %s", uuid)
				}
				if err := w.write(ctx, c, changes); err != nil {
					return err
				}
			}
			again[n] = w.again
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var all []*change
	for _, some := range again {
		all = append(all, some...)
	}
	return unique(all), nil
}

// unique leaves every change in once, in order.
func unique(changes []*change) []*change {
	seen := map[*change]bool{}
	var out []*change
	for _, c := range changes {
		if !seen[c] {
			seen[c] = true
			out = append(out, c)
		}
	}
	return out
}
