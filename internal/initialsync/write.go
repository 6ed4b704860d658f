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
	if !w.slot.KeepsEmptyTimestamps {
		return w.insertLiterally(ctx, documents)
	}
	return w.insertAll(ctx, documents)
}

func (w writer) insertAll(ctx context.Context, documents bson.RawArray) error {
	insert := w.slot.Insert
	if w.to.Staged {
		insert = w.slot.InsertFreely // see catalog.Map.Publish
	}
	return w.done(insert(ctx, w.to.NS.DB, w.command(), documents))
}

// done looks at what the server has refused.
func (w writer) done(reply mongodb.WriteReply, err error) error {
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

// command is the insert but for the documents.
func (w writer) command() bson.Raw { return bson.Raw(w.begin("insert").Build()) }

// begin is a command without what it writes.
func (w writer) begin(command string) *bsoncore.DocumentBuilder {
	b := bsoncore.NewDocumentBuilder().
		AppendString(command, w.to.CopyName()).
		AppendBoolean("ordered", w.ordered).
		AppendBinary("collectionUUID", bson.TypeBinaryUUID, w.to.Dest[:])
	w.slot.AppendOptions(b)
	return b
}
