package catalog

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// Copier copies the documents of a collection of the source, whose entry is in
// the map. after is a time that the reading must not be before; the result is one
// that it has not passed. Run again, it may begin anew.
type Copier interface {
	Copy(ctx context.Context, m *Map, c Collection, after migration.OpTime) (migration.OpTime, error)
}

// Adopt takes a collection of the source in whose documents the change stream has
// not told: c as an event describes it, under the name that it got by that event,
// in place of what the source dropped there. Documents and indexes are
// copied as they are now; SafeAfter tells how new that may be.
func (ch *Changer) Adopt(ctx context.Context, src *mongodb.Client, c Collection, dropped UUID, copier Copier) error {
	if old, ok := ch.Map.ByUUID(dropped); ok {
		if err := ch.drop(ctx, old); err != nil {
			return err
		}
		if err := ch.Map.Remove(ctx, old); err != nil {
			return err
		}
	}
	if err := awaitClones(ctx, src); err != nil {
		return err
	}
	var there *Collection
	err := mongodb.Steady(ctx, src, func() (err error) {
		there, err = readByUUID(ctx, src, c)
		return err
	})
	if err != nil {
		return err
	}
	if there == nil {
		// Its end is in the stream, and nothing before it matters.
		if err := ch.dropBegun(ctx, c); err != nil {
			return err
		}
		return ch.done(ctx, update{})
	}
	if known, ok := ch.Map.ByUUID(c.UUID); ok {
		there.Dest = known.Dest
	}
	if there.Dest, err = Create(ctx, ch.Destination, *there); err != nil {
		return err
	}
	if err := ch.Map.Put(ctx, *there); err != nil {
		return err
	}
	after, err := mongodb.ReadableOpTime(ctx, src)
	if err != nil {
		return err
	}
	safeAfter, err := copier.Copy(ctx, ch.Map, *there, after)
	if err != nil {
		return fmt.Errorf("copy %s: %w", c.NS, err)
	}
	copied, ok := ch.Map.ByUUID(c.UUID)
	if !ok {
		return fmt.Errorf("copy %s: the catalog map lost it", c.NS)
	}
	copied.SafeAfter = safeAfter
	return ch.build(ctx, copied)
}

// dropBegun drops what an interrupted run may have made for a collection that is
// gone from the source since: one of its name that the map does not know, and that is
// empty, since nothing is written to such a one. What the map knows goes with its end.
func (ch *Changer) dropBegun(ctx context.Context, c Collection) error {
	have, err := Find(ctx, ch.Destination, c.NS)
	if err != nil || have == nil || have.Kind != KindCollection || ch.Map.made(have.UUID) {
		return err
	}
	if n, err := exactCount(ctx, ch.Destination, *have); err != nil || n > 0 {
		return err
	}
	have.Dest = have.UUID
	return Drop(ctx, ch.Destination, *have)
}

// pollClones is how often awaitClones looks.
const pollClones = 50 * time.Millisecond

// awaitClones waits until no command is under way that fills a collection in a way
// that no change stream tells of.
func awaitClones(ctx context.Context, src *mongodb.Client) error {
	for {
		docs, err := mongodb.Operations(ctx, src, nil,
			bson.D{{Key: "$match", Value: bson.D{{Key: "$or", Value: bson.A{
				bson.D{{Key: "command.convertToCapped", Value: bson.D{{Key: "$exists", Value: true}}}},
				bson.D{{Key: "command.cloneCollectionAsCapped", Value: bson.D{{Key: "$exists", Value: true}}}},
			}}}}},
			bson.D{{Key: "$count", Value: "n"}})
		if err != nil {
			return fmt.Errorf("look for conversions to capped collections on the %s: %w", src.Name(), err)
		}
		if len(docs) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollClones):
		}
	}
}

// readByUUID reads options and indexes of a collection as they are on the source
// now, whatever it is called there; nil when it is gone.
func readByUUID(ctx context.Context, src *mongodb.Client, c Collection) (*Collection, error) {
	found, err := list(ctx, src, c.NS.DB, bson.D{{Key: "info.uuid", Value: c.UUID.Binary()}})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	there := found[0]
	there.NS = c.NS
	exists, err := readIndexes(ctx, src, &there)
	if err != nil || !exists {
		return nil, err
	}
	return &there, nil
}
