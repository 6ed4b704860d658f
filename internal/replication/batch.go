package replication

import (
	"context"
	"fmt"
	"slices"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
)

// apply carries out the events of a batch. With an error it gives how many are done for
// good: those up to the last catalog change, behind which the position has moved.
func (a *Applier) apply(ctx context.Context, events []event) (done int, err error) {
	p := newPlan(len(events))
	for i := range events {
		e := &events[i]
		if e.isDocument() {
			a.plan(p, e)
			continue
		}
		if err := a.flush(ctx, p); err != nil {
			return done, err
		}
		p = newPlan(0)
		if err := a.changeCatalog(ctx, e); err != nil {
			return done, err
		}
		a.checkpoint(e)
		done = i + 1
	}
	return done, a.flush(ctx, p)
}

// checkpoint moves the position within a batch: behind a catalog change, which can
// take long, and with everything before it applied.
func (a *Applier) checkpoint(e *event) {
	a.progress.ResumeToken = e.token
	a.progress.SafeAfter = migration.Later(a.progress.SafeAfter, a.aheadUntil)
	// More events of the same time may follow.
	a.progress.OpTime = migration.Later(a.progress.OpTime, e.at.Previous())
	if a.Report != nil {
		a.Report(a.progress)
	}
}

// plan routes a document event by the collection's UUID. One of a collection
// that is not migrated, or no longer exists, is ignored.
func (a *Applier) plan(p *plan, e *event) {
	c, ok := a.Map.ByUUID(e.uuid)
	if !ok || a.gone[e.uuid] {
		a.ignore(e)
		return
	}
	if a.Watch != nil {
		a.Watch(Change{NS: c.NS, Kind: e.kind, ID: e.id, At: e.at, TTL: e.kind == kindDelete && c.HasTTL()})
	}
	safeAfter := migration.Later(a.base, c.SafeAfter)
	k := key{e.uuid, e.key}
	if inLane(c, e.id) {
		// Every event of a lane is applied: in which order documents came, and which
		// of them are alike, one document alone does not tell.
		p.add(c, k, e, !e.at.After(migration.Later(safeAfter, a.aheadUntil)))
		return
	}
	known, isAhead := a.ahead[k]
	if isAhead && !e.at.After(known.atLeast) {
		return // the document that was read from the source holds this change
	}
	stale := !e.at.After(safeAfter) || (isAhead && !e.at.After(known.atMost))
	p.add(c, k, e, stale)
}

func (a *Applier) ignore(e *event) {
	a.progress.Ignored++
	ns := e.namespace()
	if a.unknown[e.uuid] || !a.Filter.Matches(ns) {
		return
	}
	a.unknown[e.uuid] = true
	a.Log.Info("ignoring changes of a collection that no longer exists",
		zap.Stringer("ns", ns), zap.Stringer("uuid", e.uuid), zap.Stringer("optime", e.at))
}

// flush applies what the plan holds, all writers side by side, and ends when
// everything is durable. Documents that must be read from the source come last,
// so many at a time; those of lanes in their places.
func (a *Applier) flush(ctx context.Context, p *plan) error {
	if p.empty() {
		return nil
	}
	again, err := a.refetchLanes(ctx, p)
	if err != nil {
		return err
	}
	for _, c := range p.order {
		c.settle()
	}
	wanted := p.takeRefetches()
	more, err := a.write(ctx, p)
	if err != nil {
		return err
	}
	again = append(again, more...)
	for _, c := range again {
		c.refetch()
		// What came behind it in a lane is applied: the document must not be older.
		c.at = migration.Later(c.at, p.last)
	}
	for uuid, changes := range byCollection(append(wanted, again...)) {
		if err := a.refetchAndWrite(ctx, uuid, changes); err != nil {
			return err
		}
	}
	a.progress.EventsApplied += p.events
	return nil
}

func (a *Applier) refetchAndWrite(ctx context.Context, uuid catalog.UUID, changes []*change) error {
	c, err := a.collection(uuid)
	if err != nil {
		return err
	}
	for len(changes) > 0 {
		n, err := a.refetch(ctx, c, changes)
		if err != nil {
			return err
		}
		part := newPlan(0)
		part.takeBack(c, changes[:n])
		again, err := a.write(ctx, part)
		if err != nil {
			return err
		}
		if len(again) > 0 {
			return fmt.Errorf("changes of %d documents could not be applied even as whole documents", len(again))
		}
		for _, c := range changes[:n] {
			c.full = nil // written
		}
		changes = changes[n:]
	}
	return nil
}

// collection is one of those that the plan has changes of.
func (a *Applier) collection(uuid catalog.UUID) (catalog.Collection, error) {
	c, ok := a.Map.ByUUID(uuid)
	if !ok {
		return c, fmt.Errorf("the catalog map lost collection %s", uuid)
	}
	return c, nil
}

// takeRefetches takes out of the plan what must be read from the source.
func (p *plan) takeRefetches() []*change {
	var wanted []*change
	p.order = slices.DeleteFunc(p.order, func(c *change) bool {
		if c.base == baseRefetch {
			wanted = append(wanted, c)
		}
		return c.base == baseRefetch
	})
	return wanted
}

func byCollection(changes []*change) map[catalog.UUID][]*change {
	out := map[catalog.UUID][]*change{}
	for _, c := range changes {
		out[c.key.uuid] = append(out[c.key.uuid], c)
	}
	return out
}

// write gives each writer its share and returns the changes that the source must
// be asked about after all.
func (a *Applier) write(ctx context.Context, p *plan) ([]*change, error) {
	again := make([][]*change, a.Writers)
	group, ctx := errgroup.WithContext(ctx)
	for n, share := range p.divide(a.Writers) {
		group.Go(func() error {
			w := writer{slot: a.slots[n]}
			for _, task := range share {
				c, err := a.collection(task.uuid)
				if err != nil {
					return err
				}
				if err := task.write(ctx, &w, c); err != nil {
					return err
				}
			}
			if err := w.flush(ctx); err != nil {
				return err
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
