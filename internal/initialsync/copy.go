package initialsync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// batch is documents as read, and the _id of the last.
type batch struct {
	documents    bson.RawArray
	count, bytes int64
	// number counts the batches of a copy from 0.
	number int
	lastID bson.RawValue
	// held is what it has of the memory until it is written.
	held int64
}

// Copy copies the part; the next batch is read while the last is written. A
// collection that is gone from the source counts as copied: its drop is in the
// change stream. When the context ends, Copy gives the progress so far and the
// context's error.
func Copy(ctx context.Context, t Task) (Progress, error) {
	target, ok := t.Map.ByUUID(t.Part.Collection())
	if !ok {
		return Progress{}, migration.NewFault(migration.WriteRefused,
			fmt.Sprintf("%s is not in the catalog map: was the metadata database changed?", t.Part.NS))
	}
	// First, so that no earlier attempt writes into what is made anew.
	least, err := Hold(ctx, t.Slots)
	if err != nil {
		return Progress{}, err
	}
	f := newFlow(t, least)
	if t.Part.Natural {
		return f.inOrder(ctx, target)
	}
	return f.transfer(ctx, target)
}

// inOrder copies a capped collection, from its beginning as often as the cursor is
// lost on the way.
func (t *flow) inOrder(ctx context.Context, target catalog.Collection) (done Progress, err error) {
	t.Resume = bson.RawValue{}
	err = mongodb.Retry(ctx, t.Log, "copy "+t.Part.NS.String()+" in its order", func() error {
		if target, err = startOver(ctx, t.Task, target); err != nil {
			return err
		}
		done, err = t.transfer(ctx, target)
		return err
	})
	return done, err
}

func (t *flow) transfer(ctx context.Context, to catalog.Collection) (Progress, error) {
	defer t.close()
	batches := make(chan batch, 1)
	landed := landing{done: Progress{LastID: t.Resume}, report: t.Progress}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(batches)
		return t.readAll(ctx, batches)
	})
	for _, slot := range t.writing() {
		group.Go(func() error {
			w := writer{slot: slot, to: to, ordered: t.Part.Natural}
			for b := range batches {
				if err := t.write(ctx, w, b, &landed); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := group.Wait()
	return landed.done, err
}

// write inserts one batch.
func (t *flow) write(ctx context.Context, w writer, b batch, landed *landing) error {
	if err := t.wait(ctx, b); err != nil {
		return err
	}
	began := time.Now()
	if err := w.insert(ctx, b.documents); err != nil {
		return err
	}
	took := time.Since(began)
	b.documents = nil // it may have to wait for those before it
	landed.add(b)
	return t.written(ctx, b, took)
}

// readAll sends all batches of the part. A cursor that was killed, by a rename, an
// election or the server's impatience, is opened again behind the last document
// sent; what is read twice is skipped by the insert.
func (t *flow) readAll(ctx context.Context, out chan<- batch) error {
	last, sent := t.Resume, 0
	send := func(b batch) error {
		b.number = sent
		select {
		case out <- b:
			last = b.lastID
			sent++
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if t.Part.Natural {
		// Whatever breaks it off, it begins anew.
		return t.readFrom(ctx, bson.RawValue{}, send)
	}
	return mongodb.RetryLong(ctx, t.Log, "read "+t.Part.NS.String(), func(works func()) error {
		return t.readFrom(ctx, last, func(b batch) error { works(); return send(b) })
	})
}

func (t *flow) readFrom(ctx context.Context, last bson.RawValue, send func(batch) error) (err error) {
	if last.Type == bson.TypeMaxKey {
		return nil // nothing lies above it
	}
	n, reserved, err := t.ask(ctx)
	if err != nil {
		return err
	}
	first, skip := n, last
	if !last.IsZero() {
		first++ // the last one comes again
	}
	cursor, err := mongodb.Open(ctx, t.Source, t.Part.NS.DB, t.find(last, first), n, 0)
	if err != nil {
		t.release(reserved)
	}
	if mongodb.Code(err) == mongodb.CodeNamespaceNotFound {
		return nil // dropped: the change stream tells
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			// Best effort: a cursor nobody reads ends by itself.
			_ = cursor.Close(context.WithoutCancel(ctx))
		}
	}()
	for {
		b, more, err := t.readBatch(ctx, cursor, skip, reserved)
		if err != nil {
			return err
		}
		skip = bson.RawValue{} // only the first batch begins with it
		if b.count > 0 {
			if err := send(b); err != nil {
				return err
			}
		}
		if !more || cursor.Ended() {
			return t.readMaxKey(ctx, last, send)
		}
		if n, reserved, err = t.ask(ctx); err != nil {
			return err
		}
		cursor.SetBatchSize(n)
	}
}

// readBatch reads what was asked for, but for a first document with that _id; more says
// that the cursor has not ended.
func (t *flow) readBatch(ctx context.Context, cursor *mongodb.Cursor, skip bson.RawValue, reserved int64) (b batch, more bool, err error) {
	defer func() { t.read(&b, reserved) }()
	next, err := cursor.Next(ctx)
	if err != nil || next == nil {
		return batch{}, false, err
	}
	documents := next.Documents
	if !skip.IsZero() {
		if documents, err = without(documents, skip); err != nil {
			return batch{}, false, err
		}
	}
	b, err = inspect(documents)
	return b, err == nil, err
}

// without leaves out the first document of a batch when it has that _id.
func without(documents bson.RawArray, last bson.RawValue) (bson.RawArray, error) {
	first, err := documents.IndexErr(0)
	if errors.Is(err, bsoncore.ErrOutOfBounds) {
		return documents, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read a batch: %w", err)
	}
	doc, _ := first.DocumentOK() // inspect tells of anything else
	if !doc.Lookup("_id").Equal(last) {
		return documents, nil
	}
	values, err := documents.Values()
	if err != nil {
		return nil, fmt.Errorf("read a batch: %w", err)
	}
	return arrayOf(values[1:]), nil
}

// readMaxKey reads the one document that a range with only a lower bound leaves
// out on an ordinary _id index: the one whose _id is MaxKey.
func (t *flow) readMaxKey(ctx context.Context, last bson.RawValue, send func(batch) error) error {
	bounded := !t.Part.Min.IsZero() || !last.IsZero()
	if !bounded || !t.Part.Last() || t.Part.Natural || t.Part.Clustered {
		return nil
	}
	cursor, err := mongodb.Open(ctx, t.Source, t.Part.NS.DB, bson.D{
		{Key: "find", Value: t.Part.Collection().Binary()},
		{Key: "filter", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "$eq", Value: bson.MaxKey{}}}}}},
		{Key: "readConcern", Value: t.readConcern()},
	}, 0, 0)
	if mongodb.Code(err) == mongodb.CodeNamespaceNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	found, err := cursor.Next(ctx)
	if err != nil {
		return err
	}
	b, err := inspect(found.Documents)
	if err != nil || b.count == 0 {
		return err
	}
	return send(b)
}

func (t Task) readConcern() bson.D {
	return bson.D{{Key: "level", Value: "majority"}, {Key: "afterClusterTime", Value: t.After.Timestamp()}}
}

// find is the query of the part, by the collection's UUID, so that a rename does
// not matter. Ranges are index bounds, not comparisons: those would leave out
// values of other types.
func (t Task) find(last bson.RawValue, documents int32) bson.D {
	cmd := bson.D{
		{Key: "find", Value: t.Part.Collection().Binary()},
		{Key: "batchSize", Value: documents},
		{Key: "readConcern", Value: t.readConcern()},
	}
	if t.Part.Natural {
		return append(cmd, bson.E{Key: "sort", Value: bson.D{{Key: "$natural", Value: 1}}})
	}
	lower := t.Part.Min
	if !last.IsZero() {
		lower = last
	}
	cmd = append(cmd, bson.E{Key: "hint", Value: bson.D{{Key: "_id", Value: 1}}})
	if !lower.IsZero() {
		cmd = append(cmd, bson.E{Key: "min", Value: bson.D{{Key: "_id", Value: lower}}})
	}
	if !t.Part.Max.IsZero() {
		cmd = append(cmd, bson.E{Key: "max", Value: bson.D{{Key: "_id", Value: t.Part.Max}}})
	}
	if t.Part.Collation != nil {
		cmd = append(cmd, bson.E{Key: "collation", Value: t.Part.Collation})
	}
	return cmd
}

// inspect counts the documents of a batch by their lengths and finds the last.
func inspect(documents bson.RawArray) (batch, error) {
	b := batch{documents: documents, bytes: int64(len(documents))}
	var last bson.Raw
	rest := []byte(documents)
	if len(rest) < 5 {
		return b, errors.New("a batch is not a BSON array")
	}
	rest = rest[4 : len(rest)-1]
	for len(rest) > 0 {
		end := 1
		for end < len(rest) && rest[end] != 0 {
			end++
		}
		length, ok := documentLength(rest, end+1)
		if !ok {
			return b, errors.New("a batch holds something that is not a document")
		}
		last = bson.Raw(rest[end+1 : end+1+length])
		rest = rest[end+1+length:]
		b.count++
	}
	if last == nil {
		return b, nil
	}
	id, err := last.LookupErr("_id")
	if err != nil {
		return b, fmt.Errorf("a document without _id: %w", err)
	}
	b.lastID = bson.RawValue{Type: id.Type, Value: append([]byte(nil), id.Value...)}
	return b, nil
}

func documentLength(data []byte, at int) (int, bool) {
	if data[0] != byte(bson.TypeEmbeddedDocument) || len(data) < at+4 {
		return 0, false
	}
	length := int(uint32(data[at]) | uint32(data[at+1])<<8 | uint32(data[at+2])<<16 | uint32(data[at+3])<<24)
	return length, length >= 5 && at+length <= len(data)
}

// startOver empties the counterpart of a capped collection: its order allows no
// continuing in the middle.
func startOver(ctx context.Context, t Task, c catalog.Collection) (catalog.Collection, error) {
	if err := catalog.Drop(ctx, t.Destination, c); err != nil {
		return c, err
	}
	var err error
	if c.Dest, err = catalog.Create(ctx, t.Destination, c); err != nil {
		return c, err
	}
	return c, t.Map.Put(ctx, c)
}
