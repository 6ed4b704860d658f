package mongodb

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Batch is one reply of a cursor. Documents is the raw array as the server sent
// it: it has the layout of the documents array of an insert.
type Batch struct {
	Documents bson.RawArray
	// ID is 0 when the cursor is exhausted.
	ID int64
	// Token and OperationTime are set by change streams and replica sets.
	PostBatchToken bson.Raw
	Reply          bson.Raw
}

// Cursor reads batches by raw commands.
type Cursor struct {
	client     *Client
	db, coll   string
	id         int64
	batchSize  int32
	maxTimeMS  int64
	exhausted  bool
	firstBatch *Batch
}

// Open runs find, aggregate, listCollections or listIndexes. batchSize 0 leaves
// the size of later batches to the server; maxTimeMS, when not 0, is for the
// getMore of tailable cursors.
func Open(ctx context.Context, c *Client, db string, command any, batchSize int32, maxTimeMS int64) (*Cursor, error) {
	reply, err := c.Run(ctx, db, command)
	if err != nil {
		return nil, err
	}
	first, err := parseBatch(reply, "firstBatch")
	if err != nil {
		return nil, err
	}
	ns, _ := reply.Lookup("cursor", "ns").StringValueOK()
	return &Cursor{
		client: c, db: db, coll: trimDB(ns, db), id: first.ID, batchSize: batchSize, maxTimeMS: maxTimeMS,
		exhausted: first.ID == 0, firstBatch: &first,
	}, nil
}

func trimDB(ns, db string) string {
	if len(ns) > len(db) {
		return ns[len(db)+1:]
	}
	return ns
}

func parseBatch(reply bson.Raw, field string) (Batch, error) {
	cursor, ok := reply.Lookup("cursor").DocumentOK()
	if !ok {
		return Batch{}, errors.New("the reply holds no cursor")
	}
	array, ok := cursor.Lookup(field).ArrayOK()
	if !ok {
		return Batch{}, fmt.Errorf("the reply's cursor holds no %s", field)
	}
	id, _ := cursor.Lookup("id").AsInt64OK()
	token, _ := cursor.Lookup("postBatchResumeToken").DocumentOK()
	return Batch{Documents: array, ID: id, PostBatchToken: token, Reply: reply}, nil
}

// Next gives the next batch, nil when there is none. A change stream gives empty
// batches while nothing happens.
func (c *Cursor) Next(ctx context.Context) (*Batch, error) {
	if c.firstBatch != nil {
		first := c.firstBatch
		c.firstBatch = nil
		return first, nil
	}
	if c.exhausted {
		return nil, nil
	}
	cmd := bson.D{{Key: "getMore", Value: c.id}, {Key: "collection", Value: c.coll}}
	if c.batchSize > 0 {
		cmd = append(cmd, bson.E{Key: "batchSize", Value: c.batchSize})
	}
	if c.maxTimeMS > 0 {
		cmd = append(cmd, bson.E{Key: "maxTimeMS", Value: c.maxTimeMS})
	}
	reply, err := c.client.Run(ctx, c.db, cmd)
	if err != nil {
		return nil, err
	}
	batch, err := parseBatch(reply, "nextBatch")
	if err != nil {
		return nil, err
	}
	c.exhausted = batch.ID == 0
	return &batch, nil
}

// Ended says that there are no more batches, when the last reply has said so already.
func (c *Cursor) Ended() bool { return c.exhausted && c.firstBatch == nil }

// SetBatchSize bounds the batches from the next one on.
func (c *Cursor) SetBatchSize(n int32) { c.batchSize = n }

// Close kills the cursor on the server if it is still open.
func (c *Cursor) Close(ctx context.Context) error {
	if c.exhausted {
		return nil
	}
	c.exhausted = true
	_, err := c.client.Run(ctx, c.db, bson.D{{Key: "killCursors", Value: c.coll}, {Key: "cursors", Value: bson.A{c.id}}})
	return err
}

// All reads a cursor to its end: for small results such as catalogs.
func All(ctx context.Context, c *Client, db string, command any) ([]bson.Raw, error) {
	cursor, err := Open(ctx, c, db, command, 0, 0)
	if err != nil {
		return nil, err
	}
	var docs []bson.Raw
	for {
		batch, err := cursor.Next(ctx)
		if err != nil || batch == nil {
			return docs, err
		}
		values, err := batch.Documents.Values()
		if err != nil {
			return nil, fmt.Errorf("read a batch: %w", err)
		}
		for _, v := range values {
			docs = append(docs, v.Document())
		}
	}
}
