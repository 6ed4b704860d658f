package replication

import (
	"context"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// Bounds of one write command. A single statement may exceed the bytes.
const (
	maxStatements = 20_000
	maxBytes      = 8 << 20
)

// Codes with which the server refuses a delta on a document that is not the one
// it was made for.
var deltaCodes = map[int32]bool{2: true, 9: true, 14: true, 28: true, 29: true, 40: true, 52: true, 54: true, 55: true, 56: true, 57: true}

// writer applies changes of one collection at a time through its slot.
type writer struct {
	slot *mongodb.Slot
	to   catalog.Collection
	// pending are the statements of the next command, all updates or all deletes.
	deletes    bool
	statements *bsoncore.ArrayBuilder
	owners     []*change
	size       int
	// again collects the changes that must be read from the source after all.
	again []*change
}

// write applies changes to a collection in their order.
func (w *writer) write(ctx context.Context, to catalog.Collection, changes []*change) error {
	w.to = to
	for len(changes) > 0 {
		n, err := w.takeAway(ctx, changes)
		if err != nil {
			return err
		}
		for _, c := range changes[:n] {
			if c.base == baseDeleted && len(c.updates) == 0 {
				err = w.add(ctx, c, true, deleteStatement(c.id))
			} else {
				err = w.addUpdates(ctx, c)
			}
			if err != nil {
				return err
			}
		}
		changes = changes[n:]
	}
	return w.flush(ctx)
}

// takeAway deletes what is to come anew, for a row of such changes to different
// documents at once, and gives how many changes may follow now.
func (w *writer) takeAway(ctx context.Context, changes []*change) (n int, err error) {
	seen := map[key]bool{}
	for n < len(changes) && changes[n].anew && !seen[changes[n].key] {
		seen[changes[n].key] = true
		if err := w.add(ctx, changes[n], true, deleteStatement(changes[n].id)); err != nil {
			return n, err
		}
		n++
	}
	return max(n, 1), nil
}

func (w *writer) addUpdates(ctx context.Context, c *change) error {
	if c.base == baseDocument {
		statement := documentStatement(c.id, c.full)
		if !c.anew && w.to.Capped() && w.to.Collation() != nil {
			statement = contentStatement(c.id, c.full)
		}
		if err := w.add(ctx, c, false, statement); err != nil {
			return err
		}
	}
	for _, u := range c.updates {
		if err := w.add(ctx, c, false, updateStatement(c.id, u)); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) add(ctx context.Context, c *change, isDelete bool, statement bsoncore.Document) error {
	full := len(w.owners) >= maxStatements || w.size+len(statement) > maxBytes
	if len(w.owners) > 0 && (full || w.deletes != isDelete) {
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	if w.statements == nil {
		w.statements = bsoncore.NewArrayBuilder()
	}
	w.deletes = isDelete
	w.statements.AppendDocument(statement)
	w.owners = append(w.owners, c)
	w.size += len(statement)
	return nil
}

// flush sends what is pending as one command.
func (w *writer) flush(ctx context.Context) error {
	if len(w.owners) == 0 {
		return nil
	}
	owners := w.owners
	b := bsoncore.NewDocumentBuilder()
	if w.deletes {
		b.AppendString("delete", w.to.Storage()).AppendArray("deletes", w.statements.Build())
	} else {
		b.AppendString("update", w.to.Storage()).AppendArray("updates", w.statements.Build())
		w.slot.AppendOptions(b)
	}
	b.AppendBoolean("ordered", false).AppendBinary("collectionUUID", bson.TypeBinaryUUID, w.to.Dest[:])
	w.statements, w.owners, w.size = nil, nil, 0
	reply, err := w.slot.Write(ctx, w.to.NS.DB, bson.Raw(b.Build()))
	if err != nil {
		return mongodb.Refusal(migration.WriteRefused, "apply changes to "+w.to.NS.String(), err)
	}
	for _, e := range reply.Errors {
		if e.Index >= len(owners) {
			return fmt.Errorf("apply changes to %s: the reply names statement %d of %d", w.to.NS, e.Index, len(owners))
		}
		if !deltaCodes[e.Code] || len(owners[e.Index].updates) == 0 {
			return &documentRefused{collection: w.to.UUID, code: e.Code, Fault: migration.NewFault(migration.WriteRefused, fmt.Sprintf(
				"%s: the destination refused a change of _id %s: %s (code %d)", w.to.NS, owners[e.Index].id, e.Message, e.Code))}
		}
		w.again = append(w.again, owners[e.Index])
	}
	if !w.deletes && int(reply.N)+len(reply.Errors) < len(owners) {
		// A delta has met no document: ask the source.
		for _, c := range owners {
			if c.base == baseNone {
				w.again = append(w.again, c)
			}
		}
	}
	return nil
}

// byID is the query for a document. The server takes the short way to it, past its
// query planner, only when the value stands there by itself; one that could mean
// anything but itself there is compared with $eq.
func byID(id bson.RawValue) bsoncore.Document {
	if literalID(id) {
		return bsoncore.NewDocumentBuilder().AppendValue("_id", bsoncore.Value{Type: bsoncore.Type(id.Type), Data: id.Value}).Build()
	}
	eq := bsoncore.NewDocumentBuilder().AppendValue("$eq", bsoncore.Value{Type: bsoncore.Type(id.Type), Data: id.Value}).Build()
	return bsoncore.NewDocumentBuilder().AppendDocument("_id", eq).Build()
}

// literalID says whether a value in a query means that value: a document whose first
// name begins with a dollar is an expression, a regular expression is a pattern.
func literalID(id bson.RawValue) bool {
	switch id.Type {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128, bson.TypeString, bson.TypeObjectID,
		bson.TypeBoolean, bson.TypeDateTime, bson.TypeBinary:
		return true
	case bson.TypeEmbeddedDocument: // length, type of the first element, its name
		return len(id.Value) > 5 && id.Value[5] != '$'
	default:
		return false
	}
}

func deleteStatement(id bson.RawValue) bsoncore.Document {
	return bsoncore.NewDocumentBuilder().AppendDocument("q", byID(id)).AppendInt32("limit", 1).Build()
}

func updateStatement(id bson.RawValue, modifiers bson.Raw) bsoncore.Document {
	return bsoncore.NewDocumentBuilder().AppendDocument("q", byID(id)).AppendDocument("u", bsoncore.Document(modifiers)).Build()
}

// documentStatement puts a document there as it is, whether or not there is one.
func documentStatement(id bson.RawValue, doc bson.Raw) bsoncore.Document {
	b := bsoncore.NewDocumentBuilder().AppendDocument("q", byID(id))
	if hasDollarField(doc) {
		literal := bsoncore.NewDocumentBuilder().AppendDocument("$literal", bsoncore.Document(doc)).Build()
		stage := bsoncore.NewDocumentBuilder().AppendDocument("$replaceWith", literal).Build()
		b.AppendArray("u", bsoncore.NewArrayBuilder().AppendDocument(stage).Build())
	} else {
		b.AppendDocument("u", bsoncore.Document(doc))
	}
	return b.AppendBoolean("upsert", true).Build()
}

// contentStatement puts everything but the _id there: in a capped collection a
// document must keep its place, and by the collation it may be an older one with
// another _id, whose end is still to come.
func contentStatement(id bson.RawValue, doc bson.Raw) bsoncore.Document {
	literal := bsoncore.NewDocumentBuilder().AppendDocument("$literal", bsoncore.Document(doc)).Build()
	own := bsoncore.NewDocumentBuilder().AppendString("_id", "$_id").Build()
	merged := bsoncore.NewDocumentBuilder().AppendArray("$mergeObjects", bsoncore.NewArrayBuilder().AppendDocument(literal).AppendDocument(own).Build()).Build()
	stage := bsoncore.NewDocumentBuilder().AppendDocument("$replaceWith", merged).Build()
	return bsoncore.NewDocumentBuilder().AppendDocument("q", byID(id)).
		AppendArray("u", bsoncore.NewArrayBuilder().AppendDocument(stage).Build()).AppendBoolean("upsert", true).Build()
}

// hasDollarField says whether a classic replacement would take the document for
// something else.
func hasDollarField(doc bson.Raw) bool {
	elements, err := doc.Elements()
	if err != nil {
		return false // the server will refuse it by name
	}
	for _, e := range elements {
		if strings.HasPrefix(e.Key(), "$") {
			return true
		}
	}
	return false
}
