package replication

import (
	"fmt"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"mongoferry/internal/catalog"
	"mongoferry/internal/mongodb"
)

// commandKind is one of the server's three write commands.
type commandKind int

const (
	inserts commandKind = iota
	updates
	deletes
)

// names holds what a command and its list of statements are called.
var names = [...]struct{ command, list string }{{"insert", "documents"}, {"update", "updates"}, {"delete", "deletes"}}

// command collects statements of one kind for one collection. Each belongs to a
// change.
type command struct {
	to     catalog.Collection
	kind   commandKind
	array  []byte
	owners []*change
	// ordered: statements build on those before them, so the server does them one after
	// the other and stops at the first that it refuses.
	ordered bool
}

func newCommand(to catalog.Collection, kind commandKind) *command {
	return &command{to: to, kind: kind, array: make([]byte, 4, 4096)}
}

// next begins a statement of the change: what is appended to array must be one
// document.
func (c *command) next(owner *change) {
	c.array = append(c.array, byte(bson.TypeEmbeddedDocument))
	c.array = strconv.AppendInt(c.array, int64(len(c.owners)), 10)
	c.array = append(c.array, 0)
	c.ordered = c.ordered || len(c.owners) > 0 && c.owners[len(c.owners)-1] == owner
	c.owners = append(c.owners, owner)
}

// encode gives the command with what it has of its own; the slot adds the rest.
func (c *command) encode(slot *mongodb.Slot) mongodb.Command {
	c.array = append(c.array, 0)
	array := bsoncore.UpdateLength(c.array, 0, int32(len(c.array)))
	b := bsoncore.NewDocumentBuilder().AppendString(names[c.kind].command, c.to.Storage()).AppendArray(names[c.kind].list, array)
	if c.kind != deletes {
		slot.AppendOptions(b)
	}
	b.AppendBoolean("ordered", c.ordered).AppendBinary("collectionUUID", bson.TypeBinaryUUID, c.to.Dest[:])
	return mongodb.Command{DB: c.to.NS.DB, Body: bson.Raw(b.Build()), Statements: len(c.owners), Ordered: c.ordered}
}

// behind gives a command, after it was encoded, with the statements that come after the
// n-th and are of other changes. Without deltas it leaves out those, too, and gives whose
// they are.
func (c *command) behind(n int, withoutDeltas bool) (rest *command, left []*change, err error) {
	statements, err := bson.RawArray(c.array).Values()
	if err != nil {
		return nil, nil, fmt.Errorf("read a command: %w", err)
	}
	rest = newCommand(c.to, c.kind)
	rest.ordered = c.ordered
	for i := n + 1; i < len(statements); i++ {
		switch owner := c.owners[i]; {
		case owner == c.owners[n]:
		case withoutDeltas && !owner.delta.empty():
			left = append(left, owner)
		default:
			rest.next(owner)
			rest.array = append(rest.array, statements[i].Value...)
		}
	}
	return rest, left, nil
}

// change adds the statements that a change is made of, which are of this kind.
func (c *command) change(ch *change) {
	switch {
	case c.kind == inserts:
		c.insert(ch, ch.full)
	case c.kind == deletes:
		c.delete(ch)
	case !ch.delta.empty():
		c.modify(ch)
	case !ch.anew && c.to.Capped() && c.to.Collation() != nil:
		c.putContent(ch, ch.full)
	default:
		c.put(ch, ch.full)
	}
}
