package replication

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// refetchIDs bounds how many documents one query asks for.
const refetchIDs = 1000

// ahead says how new a document is that was read from the source: it holds every
// change up to atLeast, and none after atMost. Events on it up to atLeast are
// superseded; updates up to atMost must read it again.
type ahead struct{ atLeast, atMost migration.OpTime }

// refetch turns changes that must be read from the source into what the source
// now holds.
func (a *Applier) refetch(ctx context.Context, changes []*change) error {
	byCollection := map[catalog.UUID][]*change{}
	for _, c := range changes {
		byCollection[c.key.uuid] = append(byCollection[c.key.uuid], c)
	}
	for uuid, all := range byCollection {
		for len(all) > 0 {
			n := min(len(all), refetchIDs)
			if err := a.refetchSome(ctx, uuid, all[:n]); err != nil {
				return err
			}
			all = all[n:]
		}
	}
	a.progress.Refetched += int64(len(changes))
	return nil
}

func (a *Applier) refetchSome(ctx context.Context, uuid catalog.UUID, changes []*change) error {
	c, ok := a.Map.ByUUID(uuid)
	if !ok {
		return nil
	}
	var found map[string]bson.Raw
	var newness ahead
	err := mongodb.Retry(ctx, a.Log, "read changed documents of "+c.NS.String(), func() error {
		var err error
		found, newness, err = a.read(ctx, c, changes)
		return err
	})
	if err != nil {
		return fmt.Errorf("read changed documents of %s: %w", c.NS, err)
	}
	for _, ch := range changes {
		a.ahead[ch.key] = newness
		if doc, ok := found[ch.key.id]; ok {
			ch.base, ch.full, ch.updates = baseDocument, doc, nil
			ch.id = doc.Lookup("_id")
		} else {
			ch.base, ch.full, ch.updates = baseDeleted, nil, nil
		}
	}
	a.aheadUntil = migration.Later(a.aheadUntil, newness.atMost)
	return nil
}

// read fetches the documents by the collection's UUID; a collection that is gone
// has none, and its drop is in the stream.
func (a *Applier) read(ctx context.Context, c catalog.Collection, changes []*change) (map[string]bson.Raw, ahead, error) {
	var newness ahead
	var err error
	if newness.atLeast, err = mongodb.MajorityOpTime(ctx, a.Source); err != nil {
		return nil, newness, err
	}
	ids := make(bson.A, len(changes))
	for i, ch := range changes {
		ids[i] = ch.id
		newness.atLeast = migration.Later(newness.atLeast, ch.at)
	}
	cmd := bson.D{
		{Key: "find", Value: c.UUID.Binary()},
		{Key: "filter", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}},
		{Key: "readConcern", Value: bson.D{{Key: "level", Value: "majority"}, {Key: "afterClusterTime", Value: newness.atLeast.Timestamp()}}},
	}
	docs, err := mongodb.All(ctx, a.Source, c.NS.DB, cmd)
	if err != nil && mongodb.Code(err) != mongodb.CodeNamespaceNotFound {
		return nil, newness, err
	}
	found := make(map[string]bson.Raw, len(docs))
	for _, doc := range docs {
		found[canonicalID(doc.Lookup("_id"))] = doc
	}
	if newness.atMost, err = a.noNewerThan(ctx); err != nil {
		return nil, newness, err
	}
	return found, newness, nil
}

// noNewerThan is a time that no majority read made before can have passed.
func (a *Applier) noNewerThan(ctx context.Context) (migration.OpTime, error) {
	reply, err := a.Source.Run(ctx, "admin", bson.D{{Key: "hello", Value: 1}})
	if err != nil {
		return migration.OpTime{}, err
	}
	t, i, _ := reply.Lookup("operationTime").TimestampOK()
	m, n, _ := reply.Lookup("lastWrite", "majorityOpTime", "ts").TimestampOK()
	return migration.Later(migration.OpTime{T: t, I: i}, migration.OpTime{T: m, I: n}), nil
}
