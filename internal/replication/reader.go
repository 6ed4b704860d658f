package replication

import (
	"bytes"
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.uber.org/zap"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// streamBatch bounds the events of one batch; 16 MB bound it too.
const streamBatch = 10_000

// readAhead is how many batches wait to be applied, joinBytes from when on no more of
// them are joined: the more events are applied at once, the more of them are about the
// same documents.
const (
	readAhead = 2
	joinBytes = 32 << 20
)

// codeCannotSplit: one field of an event alone is larger than a document.
const codeCannotSplit = 7182500

// readBatch is a batch of whole events. Once it is applied, token is the
// checkpoint and every change up to opTime is on the destination.
type readBatch struct {
	events []event
	bytes  int
	token  bson.Raw
	opTime migration.OpTime
}

// last is the time of the newest event, zero in an empty batch.
func (b readBatch) last() migration.OpTime {
	if len(b.events) == 0 {
		return migration.OpTime{}
	}
	return b.events[len(b.events)-1].at
}

// joined adds what has been read meanwhile.
func (b readBatch) joined(more <-chan readBatch) readBatch {
	for b.bytes < joinBytes {
		select {
		case next, ok := <-more:
			if !ok {
				return b
			}
			b.events = append(b.events, next.events...)
			b.bytes += next.bytes
			b.token, b.opTime = next.token, next.opTime
		default:
			return b
		}
	}
	return b
}

// reader reads the change stream.
type reader struct {
	source *mongodb.Client
	log    *zap.Logger
	token  bson.Raw
	// fragments are the parts, so far, of an event too large for one document.
	fragments []bson.Raw
	// lean is how many events are still read without what they say of the document,
	// since one of them is too large with it.
	lean int
}

// run sends batches until the context ends or an error that repeating does not
// mend. A cursor that is lost is opened again behind the last batch sent; its token
// tells whether the history is gone too.
func (r *reader) run(ctx context.Context, out chan<- readBatch) error {
	return mongodb.RetryLong(ctx, r.log, "read the change stream", func(works func()) error {
		for {
			err := r.stream(ctx, out, works)
			switch mongodb.Code(err) {
			case mongodb.CodeBSONObjectTooLarge, codeCannotSplit:
				if r.lean > 0 {
					return mongodb.Refusal(migration.UnexpectedChange, "read the change stream, even without documents (an _id is too large for it)", err)
				}
				r.log.Info("a change is larger than the change stream can carry: the document is read from its collection instead", zap.Error(err))
				r.lean = streamBatch + 1 // at most so many were in the reply that failed
				continue
			case 0: // not the server's answer, or none
				if err == nil {
					continue // with documents again
				}
				return err
			default:
				return mongodb.Refusal(migration.UnexpectedChange, "read the change stream", err)
			}
		}
	})
}

func (r *reader) stream(ctx context.Context, out chan<- readBatch, works func()) error {
	r.fragments = nil
	open, lean := mongodb.OpenStream, r.lean > 0
	if lean {
		open = mongodb.OpenLeanStream
	}
	cursor, err := open(ctx, r.source, r.token, streamBatch)
	if err != nil {
		return err
	}
	defer func() {
		// Best effort: a cursor nobody reads ends by itself.
		_ = cursor.Close(context.WithoutCancel(ctx))
	}()
	// The reply to the opening holds no events, and a token that says nothing.
	if _, err := cursor.Next(ctx); err != nil {
		return err
	}
	for {
		raw, err := cursor.Next(ctx)
		if err != nil {
			return err
		}
		if raw == nil {
			return migration.NewFault(migration.UnexpectedChange, "the change stream ended: the source was invalidated")
		}
		batch, err := r.take(raw)
		if err != nil {
			return err
		}
		works()
		select {
		case out <- batch:
			r.token = batch.token
		case <-ctx.Done():
			return ctx.Err()
		}
		if lean && r.slim(len(batch.events)) {
			return nil
		}
	}
}

// slim counts events that were read without documents, and says when enough
// were; an empty batch is beyond the event that needed it too.
func (r *reader) slim(events int) (enough bool) {
	r.lean -= events
	if events == 0 && len(r.fragments) == 0 {
		r.lean = 0
	}
	r.lean = max(r.lean, 0)
	return r.lean == 0
}

// take parses a raw batch. Where it ends inside a split event, the checkpoint is
// that of the last whole one.
func (r *reader) take(raw *mongodb.Batch) (readBatch, error) {
	batch := readBatch{token: r.token}
	var docs []bson.Raw
	err := eachElement(bson.Raw(raw.Documents), func(el bsoncore.Element) bool {
		docs = append(docs, bson.Raw(el.Value().Data))
		return true
	})
	if err != nil {
		return batch, fmt.Errorf("read a batch of the change stream: %w", err)
	}
	batch.events, batch.bytes = make([]event, 0, len(docs)), len(raw.Documents)
	var lastToken bson.Raw
	for _, doc := range docs {
		e, whole, err := r.parse(doc)
		if err != nil {
			return batch, err
		}
		if whole {
			lastToken = e.token
			batch.events = append(batch.events, e)
		}
	}
	switch {
	case len(r.fragments) == 0:
		batch.token = raw.PostBatchToken
	case lastToken != nil:
		batch.token = lastToken
	}
	batch.opTime, err = mongodb.TokenTime(batch.token)
	if err != nil {
		return batch, err
	}
	if len(docs) > 0 && (len(r.fragments) > 0 || bytes.Equal(batch.token, lastToken)) {
		// More events of the same time, as of one transaction, may follow.
		batch.opTime = batch.opTime.Previous()
	}
	return batch, nil
}

// parse reads an event, or, until the last of them, a part of one.
func (r *reader) parse(doc bson.Raw) (e event, whole bool, err error) {
	if e, err = readEvent(doc); err != nil {
		return e, false, err
	}
	if e.split != nil {
		if doc, whole = r.assemble(doc, e.split); !whole {
			return e, false, nil
		}
		if e, err = readEvent(doc); err != nil {
			return e, false, err
		}
	}
	err = e.complete(r.lean > 0)
	return e, err == nil, err
}

// assemble puts the fragments of a split event together; false until the last.
func (r *reader) assemble(doc, part bson.Raw) (bson.Raw, bool) {
	r.fragments = append(r.fragments, doc)
	n, _ := part.Lookup("fragment").AsInt64OK()
	of, _ := part.Lookup("of").AsInt64OK()
	if n < of {
		return nil, false
	}
	b := bsoncore.NewDocumentBuilder()
	for i, f := range r.fragments {
		elements, err := f.Elements()
		if err != nil {
			continue // parseEvent finds what is missing
		}
		for _, e := range elements {
			// Each fragment has a token; that of the last is the event's.
			if e.Key() == "splitEvent" || (e.Key() == "_id" && i < len(r.fragments)-1) {
				continue
			}
			v := e.Value()
			b.AppendValue(e.Key(), bsoncore.Value{Type: bsoncore.Type(v.Type), Data: v.Value})
		}
	}
	r.fragments = nil
	return bson.Raw(b.Build()), true
}
