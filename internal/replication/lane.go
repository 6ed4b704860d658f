package replication

import (
	"context"

	"mongoferry/internal/catalog"
)

// writeInOrder applies changes to a collection one after the other.
func (w *writer) writeInOrder(ctx context.Context, to catalog.Collection, changes []*change) error {
	l := &lane{writer: w, command: newLaneCommand(to, updates)}
	for len(changes) > 0 {
		n, err := l.takeAway(ctx, changes)
		if err != nil {
			return err
		}
		for _, c := range changes[:n] {
			if err := l.add(ctx, c); err != nil {
				return err
			}
		}
		changes = changes[n:]
	}
	return w.send(ctx, l.command)
}

// lane writes what must keep its order, as many statements of a kind in a row as
// there are.
type lane struct {
	*writer
	command *command
}

// takeAway deletes what is to come anew, for a row of such changes to different
// documents at once, and gives how many changes may follow now.
func (l *lane) takeAway(ctx context.Context, changes []*change) (n int, err error) {
	seen := map[key]bool{}
	for n < len(changes) && changes[n].anew && !seen[changes[n].key] {
		seen[changes[n].key] = true
		if err := l.turnTo(ctx, deletes, 0); err != nil {
			return n, err
		}
		l.command.delete(changes[n])
		n++
	}
	return max(n, 1), nil
}

func (l *lane) add(ctx context.Context, c *change) error {
	kind := updates
	if c.base == baseDeleted {
		kind = deletes
	}
	if err := l.turnTo(ctx, kind, c.size()); err != nil {
		return err
	}
	l.command.change(c)
	return nil
}

// turnTo sends what there is unless a statement of this kind and size may follow
// in the same command.
func (l *lane) turnTo(ctx context.Context, kind commandKind, size int) error {
	last := l.command
	if last.kind == kind && len(last.owners) < maxStatements && (len(last.owners) == 0 || len(last.array)+size <= maxBytes) {
		return nil
	}
	l.command = newLaneCommand(last.to, kind)
	return l.send(ctx, last)
}

func newLaneCommand(to catalog.Collection, kind commandKind) *command {
	c := newCommand(to, kind)
	c.ordered = true
	return c
}
