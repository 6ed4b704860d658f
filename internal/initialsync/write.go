package initialsync

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// writer inserts batches into one collection.
type writer struct {
	slot    *mongodb.Slot
	to      catalog.Collection
	ordered bool
}

// insert writes a batch. A document whose _id is there already was copied by an
// earlier attempt; anything else that is refused is a Fault.
func (w writer) insert(ctx context.Context, documents bson.RawArray) error {
	reply, err := w.slot.Write(ctx, w.to.NS.DB, w.command(documents))
	if err != nil {
		return mongodb.Refusal(migration.WriteRefused, "insert into "+w.to.NS.String(), err)
	}
	for _, e := range reply.Errors {
		if e.SameID() && !w.ordered {
			continue
		}
		return migration.NewFault(migration.WriteRefused,
			fmt.Sprintf("%s: the destination refused a document: %s (code %d)", w.to.NS, e.Message, e.Code))
	}
	return nil
}

// command is built in one piece, with room for what the slot adds: a batch is large.
func (w writer) command(documents bson.RawArray) bson.Raw {
	head := bsoncore.NewDocumentBuilder().
		AppendString("insert", w.to.Storage()).
		AppendBoolean("ordered", w.ordered).
		AppendBinary("collectionUUID", bson.TypeBinaryUUID, w.to.Dest[:])
	w.slot.AppendOptions(head)
	fields := head.Build()
	b := make([]byte, 0, len(fields)+len(documents)+mongodb.SignedSize)
	b = append(b, fields[:len(fields)-1]...)
	b = bsoncore.AppendArrayElement(b, "documents", bsoncore.Array(documents))
	b = append(b, 0)
	return bson.Raw(bsoncore.UpdateLength(b, 0, int32(len(b))))
}
