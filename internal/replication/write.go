package replication

import (
	"context"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// Bounds of what is written at once. A single statement may exceed the bytes. Much
// more would fill the cache of a small server with what is not committed yet.
const (
	maxStatements = 1000
	maxBytes      = 4 << 20
)

// manyRefused is after how many refused deltas the others of such a row are not tried.
const manyRefused = 4

// Codes with which the server refuses a delta on a document that is not the one
// it was made for.
var deltaCodes = map[int32]bool{2: true, 9: true, 14: true, 28: true, 29: true, 40: true, 52: true, 54: true, 55: true, 56: true, 57: true}

// writer applies changes through its slot.
type writer struct {
	slot *mongodb.Slot
	// pending are the commands that are written next, together: changes of
	// different documents, of as many collections as there may be.
	pending          []*command
	statements, size int
	// alone says that the pending commands are for a system collection, to which
	// nothing can be written within a transaction.
	alone bool
	// again collects the changes that must be read from the source after all. refused
	// counts the rows that ended early.
	again   []*change
	refused int
}

// write applies changes of different documents of a collection. What it leaves pending, flush writes.
func (w *writer) write(ctx context.Context, to catalog.Collection, changes []*change) error {
	if alone := strings.HasPrefix(to.Storage(), "system."); alone != w.alone {
		if err := w.flush(ctx); err != nil {
			return err
		}
		w.alone = alone
	}
	for _, c := range changes {
		if w.statements >= maxStatements || (w.size > 0 && w.size+c.size() > maxBytes) {
			if err := w.flush(ctx); err != nil {
				return err
			}
		}
		w.add(to, c)
	}
	return nil
}

func (w *writer) add(to catalog.Collection, c *change) {
	kind := updates
	switch {
	case c.base == baseDeleted:
		kind = deletes
	case c.fresh && c.base == baseDocument && beginsWithID(c.full) && w.insertsAsIs(c.full):
		kind = inserts
	}
	cmd := w.command(to, kind)
	size, statements := len(cmd.array), len(cmd.owners)
	cmd.change(c)
	w.size += len(cmd.array) - size
	w.statements += len(cmd.owners) - statements
}

// insertsAsIs says whether an insert leaves the document's timestamps as they are.
func (w *writer) insertsAsIs(doc bson.Raw) bool {
	return w.slot.KeepsEmptyTimestamps || !mongodb.HasEmptyTimestamp(doc)
}

// command gives the pending command of that kind.
func (w *writer) command(to catalog.Collection, kind commandKind) *command {
	for i := len(w.pending) - 1; i >= 0; i-- {
		cmd := w.pending[i]
		if cmd.to.UUID != to.UUID {
			break // a collection's changes come in one row
		}
		if cmd.kind == kind {
			return cmd
		}
	}
	cmd := newCommand(to, kind)
	w.pending = append(w.pending, cmd)
	return cmd
}

// flush writes what is pending.
func (w *writer) flush(ctx context.Context) error {
	pending := w.pending
	w.pending, w.statements, w.size = nil, 0, 0
	if len(pending) == 0 {
		return nil
	}
	if w.alone {
		for _, cmd := range pending {
			if err := w.send(ctx, cmd); err != nil {
				return err
			}
		}
		return nil
	}
	commands := make([]mongodb.Command, len(pending))
	for i, cmd := range pending {
		commands[i] = cmd.encode(w.slot)
	}
	replies, err := w.slot.WriteAll(ctx, commands)
	if err != nil {
		return pending[len(replies)].refusal(err)
	}
	for i, cmd := range pending {
		if err := w.settle(ctx, cmd, replies[i]); err != nil {
			return err
		}
	}
	return nil
}

// send writes a command by itself.
func (w *writer) send(ctx context.Context, cmd *command) error {
	if len(cmd.owners) == 0 {
		return nil
	}
	reply, err := w.slot.WriteCommand(ctx, cmd.encode(w.slot))
	if err != nil {
		return cmd.refusal(err)
	}
	return w.settle(ctx, cmd, reply)
}

func (c *command) refusal(err error) error {
	return mongodb.Refusal(migration.WriteRefused, "apply changes to "+c.to.NS.String(), err)
}

// settle looks at what the server has not done of a command.
func (w *writer) settle(ctx context.Context, cmd *command, reply mongodb.WriteReply) error {
	there := newCommand(cmd.to, updates)
	tried := len(cmd.owners)
	for _, e := range reply.Errors {
		if e.Index >= len(cmd.owners) {
			return fmt.Errorf("apply changes to %s: the reply names statement %d of %d", cmd.to.NS, e.Index, len(cmd.owners))
		}
		if cmd.ordered {
			tried = e.Index + 1
		}
		c := cmd.owners[e.Index]
		switch {
		case cmd.kind == inserts && e.SameID():
			there.put(c, c.full) // an earlier attempt or the copy was first
		case deltaCodes[e.Code] && !c.delta.empty():
			w.again = append(w.again, c)
		default:
			return &documentRefused{collection: cmd.to.UUID, code: e.Code, Fault: migration.NewFault(migration.WriteRefused, fmt.Sprintf(
				"%s: the destination refused a change of _id %s: %s (code %d)", cmd.to.NS, c.id, e.Message, e.Code))}
		}
	}
	if cmd.kind == updates && int(reply.N)+len(reply.Errors) < tried {
		// A delta has met no document: ask the source.
		for _, c := range cmd.owners[:tried] {
			if c.base == baseNone {
				w.again = append(w.again, c)
			}
		}
	}
	if err := w.send(ctx, there); err != nil || tried == len(cmd.owners) {
		return err
	}
	w.refused++
	rest, left, err := cmd.behind(tried-1, w.refused > manyRefused)
	if err != nil {
		return err
	}
	w.again = append(w.again, left...)
	return w.send(ctx, rest)
}
