package replication

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// Bounds of what one query asks for, and of what it may bring: the documents are
// held until they are written.
const (
	refetchIDs     = 1000
	refetchIDBytes = 4 << 20
	refetchBytes   = 64 << 20
)

// ahead says how new a document is that was read from the source: it holds every
// change up to atLeast, and none after atMost. Events on it up to atLeast are
// superseded; updates up to atMost must read it again.
type ahead struct{ atLeast, atMost migration.OpTime }

// refetch turns changes of one collection, as many of the first ones as is good
// for the memory, into what the source now holds, and gives how many.
func (a *Applier) refetch(ctx context.Context, c catalog.Collection, changes []*change) (done int, err error) {
	changes = changes[:askable(c, changes)]
	var found reading
	err = mongodb.Retry(ctx, a.Log, "read changed documents of "+c.NS.String(), func() error {
		var err error
		found, err = a.read(ctx, c, changes)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("read changed documents of %s: %w", c.NS, err)
	}
	if hasAlike(c, changes[0].id) {
		found.nameAlike(changes[0].key.id)
	}
	for i, ch := range changes {
		doc, there := found.docs[ch.key.id]
		if !there && !found.complete {
			continue
		}
		changes[done], changes[i] = ch, changes[done]
		done++
		if !inLane(c, ch.id) {
			a.ahead[ch.key] = found.ahead
		}
		ch.found(c, doc)
	}
	if done == 0 {
		return 0, fmt.Errorf("read changed documents of %s: the source gave none of those that were asked for", c.NS)
	}
	a.aheadUntil = migration.Later(a.aheadUntil, found.ahead.atMost)
	a.progress.Refetched += int64(done)
	return done, nil
}

// found makes the change one of what the source holds, nil for nothing.
func (c *change) found(in catalog.Collection, doc bson.Raw) {
	c.base, c.full, c.delta = baseDeleted, nil, delta{}
	if doc == nil {
		c.anew = false
		return
	}
	c.base, c.full, c.id = baseDocument, doc, doc.Lookup("_id")
	if !in.Capped() { // there it has a place of its own, which only its insert gives
		c.anew = hasAlike(in, c.id)
	}
}

// askable is how many of the first changes one query can ask for. Where an _id may mean
// one of several documents, only the server can tell which: it is asked for by itself.
func askable(c catalog.Collection, changes []*change) int {
	size := 0
	for i, ch := range changes[:min(refetchIDs, len(changes))] {
		size += len(ch.id.Value)
		if i > 0 && (size > refetchIDBytes || hasAlike(c, ch.id)) {
			return i
		}
		if hasAlike(c, ch.id) {
			return 1
		}
	}
	return min(refetchIDs, len(changes))
}

// reading is what the source holds of some documents, by _id. When it is not
// complete, one that is missing may be there all the same.
type reading struct {
	docs     map[string]bson.Raw
	ahead    ahead
	complete bool
}

// nameAlike gives the one document that was found the name it was asked for.
func (r *reading) nameAlike(id string) {
	for other, doc := range r.docs {
		if other != id {
			delete(r.docs, other)
			r.docs[id] = doc
		}
	}
}

// read fetches documents by the collection's UUID; a collection that is gone has
// none, and its drop is in the stream.
func (a *Applier) read(ctx context.Context, c catalog.Collection, changes []*change) (reading, error) {
	r := reading{docs: map[string]bson.Raw{}}
	var err error
	if r.ahead.atLeast, err = mongodb.MajorityOpTime(ctx, a.Source); err != nil {
		return r, err
	}
	ids := make(bson.A, len(changes))
	for i, ch := range changes {
		ids[i] = ch.id
		r.ahead.atLeast = migration.Later(r.ahead.atLeast, ch.at)
	}
	cursor, err := mongodb.Open(ctx, a.Source, c.NS.DB, bson.D{
		{Key: "find", Value: c.UUID.Binary()},
		{Key: "filter", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}},
		{Key: "readConcern", Value: bson.D{{Key: "level", Value: "majority"}, {Key: "afterClusterTime", Value: r.ahead.atLeast.Timestamp()}}},
	}, 0, 0)
	switch {
	case mongodb.Code(err) == mongodb.CodeNamespaceNotFound:
		r.complete = true
	case err != nil:
		return r, err
	default:
		if err := r.fill(ctx, cursor); err != nil {
			return r, err
		}
	}
	r.ahead.atMost, err = mongodb.ReadableOpTime(ctx, a.Source)
	return r, err
}

// fill reads until there is enough, at least one batch.
func (r *reading) fill(ctx context.Context, cursor *mongodb.Cursor) error {
	for size := 0; size < refetchBytes; {
		batch, err := cursor.Next(ctx)
		if err != nil {
			return err
		}
		if batch == nil {
			r.complete = true
			return nil
		}
		docs, err := batch.Documents.Values()
		if err != nil {
			return fmt.Errorf("read a batch: %w", err)
		}
		for _, d := range docs {
			doc := d.Document()
			r.docs[canonicalID(doc.Lookup("_id"))] = doc
		}
		size += len(batch.Documents)
	}
	return cursor.Close(ctx)
}
