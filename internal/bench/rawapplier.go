package bench

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/mongodb"
)

const (
	jobRaw    = "raw"
	jobStream = "stream"

	// appliers is how many writers apply changes side by side, streamBatch the events of
	// a batch: as many as the tool has.
	appliers    = 4
	streamBatch = 10_000
	// rawBytes bounds a command of the raw applier.
	rawBytes = 8 << 20
)

// replayRaw applies a history as a plain program would: every event is one statement,
// several writers share the documents by a hash of _id, and read ahead is one batch.
// It is exact for histories such as these, and for those alone.
func replayRaw(ctx context.Context, src, dst *mongodb.Client, j job) (outcome, error) {
	cursor, err := mongodb.Open(ctx, src, database, bson.D{
		{Key: "aggregate", Value: collection.Collection},
		{Key: "pipeline", Value: bson.A{bson.D{{Key: "$changeStream", Value: bson.D{{Key: "resumeAfter", Value: bson.Raw(j.Token)}}}}}},
		{Key: "cursor", Value: bson.D{{Key: "batchSize", Value: 0}}},
		{Key: "readConcern", Value: bson.D{{Key: "level", Value: "majority"}}},
	}, streamBatch, mongodb.StreamAwaitMS)
	if err != nil {
		return outcome{}, fmt.Errorf("open a change stream: %w", err)
	}
	started := time.Now()
	var result outcome
	batches := make(chan bson.RawArray, 1)
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(batches)
		return pass(groupCtx, cursor, j, func(documents bson.RawArray) error {
			select {
			case batches <- documents:
				return nil
			case <-groupCtx.Done():
				return groupCtx.Err()
			}
		})
	})
	group.Go(func() error {
		for b := range batches {
			n, err := applyRaw(groupCtx, dst, b)
			if err != nil {
				return err
			}
			result.Events += n
		}
		return nil
	})
	err = group.Wait()
	result.Seconds = time.Since(started).Seconds()
	return result, err
}

// readStream reads a history as the tool reads it, and does nothing with it.
func readStream(ctx context.Context, src *mongodb.Client, j job) (outcome, error) {
	started := time.Now()
	cursor, err := mongodb.OpenStream(ctx, src, j.Token, streamBatch)
	if err != nil {
		return outcome{}, err
	}
	var result outcome
	err = pass(ctx, cursor, j, func(documents bson.RawArray) error {
		events, err := documents.Values()
		result.Events += int64(len(events))
		return err
	})
	result.Seconds = time.Since(started).Seconds()
	return result, err
}

// pass takes the batches of a stream until the end of the history.
func pass(ctx context.Context, cursor *mongodb.Cursor, j job, take func(bson.RawArray) error) error {
	if _, err := cursor.Next(ctx); err != nil { // the reply to the opening holds nothing
		return err
	}
	for {
		b, err := cursor.Next(ctx)
		if err != nil {
			return err
		}
		if b == nil {
			return fmt.Errorf("the change stream ended before the history did")
		}
		if err := take(b.Documents); err != nil {
			return err
		}
		at, err := mongodb.TokenTime(b.PostBatchToken)
		if err != nil || !at.Before(j.End) {
			return err
		}
	}
}

// applyRaw applies a batch and waits for all of it.
func applyRaw(ctx context.Context, dst *mongodb.Client, documents bson.RawArray) (int64, error) {
	events, err := documents.Values()
	if err != nil {
		return 0, err
	}
	var shares [appliers][]bson.Raw
	for _, v := range events {
		event := v.Document()
		h := fnv.New32a()
		_, _ = h.Write(event.Lookup("documentKey", "_id").Value) // it never fails
		n := h.Sum32() % appliers
		shares[n] = append(shares[n], event)
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, share := range shares {
		group.Go(func() error {
			w := rawWriter{dst: dst}
			for _, event := range share {
				if err := w.add(ctx, event); err != nil {
					return err
				}
			}
			return w.flush(ctx)
		})
	}
	return int64(len(events)), group.Wait()
}

// rawWriter collects statements, updates and deletes apart; what concerns one document
// keeps its order.
type rawWriter struct {
	dst              *mongodb.Client
	updates, deletes pending
}

// pending are the statements of a command to come, and whose they are.
type pending struct {
	statements *bsoncore.ArrayBuilder
	ids        map[string]bool
	bytes      int
}

func (w *rawWriter) add(ctx context.Context, event bson.Raw) error {
	id := event.Lookup("documentKey", "_id")
	own, other := &w.updates, &w.deletes
	var statement bsoncore.Document
	switch kind, _ := event.Lookup("operationType").StringValueOK(); kind {
	case "insert", "replace":
		full, _ := event.Lookup("fullDocument").DocumentOK()
		statement = updateStatement(id, bsoncore.Document(full), true)
	case "update":
		statement = updateStatement(id, rawModifiers(event), false)
	case "delete":
		own, other = other, own
		statement = deleteStatement(id)
	default:
		return fmt.Errorf("the history holds a change of the kind %q", kind)
	}
	if other.ids[string(id.Value)] || own.bytes+len(statement) > rawBytes {
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	if own.statements == nil {
		own.statements, own.ids = bsoncore.NewArrayBuilder(), map[string]bool{}
	}
	own.statements.AppendDocument(statement)
	own.ids[string(id.Value)] = true
	own.bytes += len(statement)
	return nil
}

// rawModifiers makes of the description of an update the update.
func rawModifiers(event bson.Raw) bsoncore.Document {
	b := bsoncore.NewDocumentBuilder()
	if set, ok := event.Lookup("updateDescription", "updatedFields").DocumentOK(); ok && len(set) > 5 {
		b.AppendDocument("$set", bsoncore.Document(set))
	}
	if removed, ok := event.Lookup("updateDescription", "removedFields").ArrayOK(); ok && len(removed) > 5 {
		names, _ := removed.Values() // the server's own list
		unset := bsoncore.NewDocumentBuilder()
		for _, name := range names {
			unset.AppendBoolean(name.StringValue(), true)
		}
		b.AppendDocument("$unset", unset.Build())
	}
	return b.Build()
}

// flush sends what was collected. No document is in both commands.
func (w *rawWriter) flush(ctx context.Context) error {
	for _, command := range []struct {
		name, field string
		*pending
	}{{"update", "updates", &w.updates}, {"delete", "deletes", &w.deletes}} {
		if command.statements == nil {
			continue
		}
		b := bsoncore.NewDocumentBuilder().AppendString(command.name, collection.Collection).
			AppendArray(command.field, command.statements.Build())
		if _, err := send(ctx, w.dst, database, b, durable); err != nil {
			return err
		}
		*command.pending = pending{}
	}
	return nil
}
