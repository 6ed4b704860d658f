package replication

import (
	"context"
	"fmt"
	"hash/fnv"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// The plain applier is what ours is compared with in a benchmark: it reads the
// stream raw and writes one statement for every event, as the event has it, four
// writers by _id, with the write concern that we have. A writer sends together what
// the order of changes of a document allows. It knows nothing of anything that can
// go wrong.
const (
	plainWriters = 4
	plainBatch   = 1000
)

type plainWriter struct {
	dst     *mongodb.Client
	db      string
	updates *bsoncore.ArrayBuilder
	deletes *bsoncore.ArrayBuilder
	// of holds for each document whether its statement here is a delete.
	of map[string]bool
	n  int
}

// applyPlainly applies the history of a rehearsal's collection c, and gives the
// number of events.
func applyPlainly(t testing.TB, r *rehearsal) int64 {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	channels := make([]chan bson.Raw, plainWriters)
	for i := range channels {
		channels[i] = make(chan bson.Raw, 2*plainBatch)
		group.Go(func() error {
			w := &plainWriter{dst: r.dst, db: r.db}
			w.clear()
			for event := range channels[i] {
				if err := w.add(ctx, event); err != nil {
					return err
				}
			}
			return w.flush(ctx)
		})
	}
	var events int64
	group.Go(func() (err error) {
		events, err = readPlainly(ctx, r, channels)
		for _, c := range channels {
			close(c)
		}
		return err
	})
	must(t, group.Wait())
	return events
}

func readPlainly(ctx context.Context, r *rehearsal, out []chan bson.Raw) (events int64, err error) {
	cursor, err := mongodb.OpenStream(ctx, r.src, r.start.ResumeToken, streamBatch)
	if err != nil {
		return 0, err
	}
	defer func() { _ = cursor.Close(context.WithoutCancel(ctx)) }()
	var at migration.OpTime
	for at.Before(r.end) {
		batch, err := cursor.Next(ctx)
		if err != nil {
			return events, err
		}
		docs, err := batch.Documents.Values()
		if err != nil {
			return events, err
		}
		for _, v := range docs {
			event := v.Document()
			h := fnv.New32a()
			h.Write(event.Lookup("documentKey", "_id").Value)
			select {
			case out[h.Sum32()%uint32(len(out))] <- event:
			case <-ctx.Done():
				return events, ctx.Err()
			}
			events++
		}
		if at, err = mongodb.TokenTime(batch.PostBatchToken); err != nil {
			return events, err
		}
	}
	return events, nil
}

func (w *plainWriter) clear() {
	w.updates, w.deletes, w.of, w.n = bsoncore.NewArrayBuilder(), bsoncore.NewArrayBuilder(), map[string]bool{}, 0
}

func (w *plainWriter) add(ctx context.Context, event bson.Raw) error {
	id := event.Lookup("documentKey", "_id")
	kind := event.Lookup("operationType").StringValue()
	isDelete, known := w.of[string(id.Value)]
	if w.n >= plainBatch || (known && isDelete != (kind == kindDelete)) {
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	q := bsoncore.NewDocumentBuilder().AppendValue("_id", bsoncore.Value{Type: bsoncore.Type(id.Type), Data: id.Value}).Build()
	s := bsoncore.NewDocumentBuilder().AppendDocument("q", q)
	switch kind {
	case kindDelete:
		w.deletes.AppendDocument(s.AppendInt32("limit", 1).Build())
	case kindUpdate:
		u := bsoncore.NewDocumentBuilder()
		diff := event.Lookup("rawUpdateDescription", "diff").Document()
		if fields, ok := diff.Lookup("u").DocumentOK(); ok {
			u.AppendDocument("$set", bsoncore.Document(fields))
		}
		if fields, ok := diff.Lookup("d").DocumentOK(); ok {
			u.AppendDocument("$unset", bsoncore.Document(fields))
		}
		w.updates.AppendDocument(s.AppendDocument("u", u.Build()).Build())
	default:
		w.updates.AppendDocument(s.AppendDocument("u", bsoncore.Document(event.Lookup("fullDocument").Document())).AppendBoolean("upsert", true).Build())
	}
	w.of[string(id.Value)] = kind == kindDelete
	w.n++
	return nil
}

func (w *plainWriter) flush(ctx context.Context) error {
	updates, deletes, n := w.updates.Build(), w.deletes.Build(), w.n
	w.clear()
	if n == 0 {
		return nil
	}
	for _, part := range []struct {
		command, list string
		statements    bsoncore.Array
	}{{"update", "updates", updates}, {"delete", "deletes", deletes}} {
		if len(part.statements) <= 5 {
			continue
		}
		command := bsoncore.NewDocumentBuilder().AppendString(part.command, "c").AppendArray(part.list, part.statements).
			AppendDocument("writeConcern", bsoncore.NewDocumentBuilder().AppendString("w", "majority").AppendBoolean("j", true).Build())
		reply, err := w.dst.RunRaw(ctx, w.db, bson.Raw(command.Build()))
		if err != nil {
			return err
		}
		if _, err := reply.LookupErr("writeErrors"); err == nil {
			return fmt.Errorf("a plain write was refused: %s", reply)
		}
	}
	return nil
}
