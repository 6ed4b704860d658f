package catalog

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// unlimited is the size of a capped collection while changes are applied: the
// source's own evictions arrive as deletes.
const unlimited = int64(1) << 50

// Create makes the counterpart of a collection or view on the destination, with
// limits and expiry put off, and gives its UUID there. A collection of that name
// is kept when it is ours, or empty: then an interrupted run has made it, since
// nothing is written to one that is not in the map. Any other is a Fault.
func Create(ctx context.Context, dst *mongodb.Client, c Collection) (UUID, error) {
	if err := c.creatable(); err != nil {
		return UUID{}, err
	}
	have, err := Find(ctx, dst, c.target())
	if err != nil {
		return UUID{}, err
	}
	if have != nil {
		return keep(ctx, dst, c, *have)
	}
	if err := c.create(ctx, dst); err != nil || c.Kind == KindView {
		return UUID{}, err
	}
	if have, err = Find(ctx, dst, c.target()); err != nil {
		return UUID{}, err
	}
	return c.created(ctx, dst, have)
}

// creatable refuses what is not migrated.
func (c Collection) creatable() error {
	if what := c.Unsupported(); what != "" {
		return migration.NewFault(migration.Unsupported,
			fmt.Sprintf("%s is %s, which this version does not migrate: exclude it", c.NS, what))
	}
	return nil
}

// create makes what is not there.
func (c Collection) create(ctx context.Context, dst *mongodb.Client) error {
	if _, err := dst.RunRaw(ctx, c.NS.DB, c.createCommand()); err != nil {
		return mongodb.Refusal(migration.WriteRefused, "create "+c.NS.String(), err)
	}
	return nil
}

// created gives the UUID of what is there after create.
func (c Collection) created(ctx context.Context, dst *mongodb.Client, have *Collection) (UUID, error) {
	if have == nil {
		return UUID{}, fmt.Errorf("create %s: it vanished at once: something else changes the destination", c.NS)
	}
	c.Dest = have.UUID
	return c.Dest, withoutIndexes(ctx, dst, c)
}

// withoutIndexes drops the index that newer servers give every time-series
// collection: the source may have dropped its own.
func withoutIndexes(ctx context.Context, dst *mongodb.Client, c Collection) error {
	if c.Kind != KindTimeseries {
		return nil
	}
	return dropIndex(ctx, dst, c, "*")
}

// keep decides about a namespace that is there already.
func keep(ctx context.Context, dst *mongodb.Client, c, have Collection) (UUID, error) {
	switch {
	case have.Kind != c.Kind:
	case have.UUID == c.Dest:
		return have.UUID, nil
	case c.HasDocuments():
		if n, err := exactCount(ctx, dst, have); err != nil || n == 0 {
			return have.UUID, err
		}
	}
	return UUID{}, strangerAt(c.target())
}

// strangerAt says that a name is taken on the destination.
func strangerAt(ns migration.Namespace) error {
	return migration.NewFault(migration.WriteRefused, fmt.Sprintf(
		"%s exists on the destination but is not of this migration: something else writes to the destination", ns))
}

// FromBuckets is the time-series collection whose buckets an event describes.
func FromBuckets(buckets Collection) Collection {
	buckets.NS, buckets.Kind = buckets.NS.Logical(), KindTimeseries
	buckets.Options = without(buckets.Options, "validator", "clusteredIndex")
	return buckets
}

func (c Collection) createCommand() bson.Raw {
	b := bsoncore.NewDocumentBuilder().AppendString("create", c.target().Collection)
	elements, _ := c.Options.Elements() // listCollections gave them
	for _, e := range elements {
		switch key := e.Key(); {
		case key == "size" && c.Capped():
			b.AppendInt64(key, unlimited)
		case key == "max" && c.Capped(), key == "expireAfterSeconds":
		case key == "temp", key == "autoIndexId", key == "uuid", key == "idIndex":
			// temp collections would be dropped when the destination restarts;
			// they lose the property when $out renames them.
		default:
			appendValue(b, key, e.Value())
		}
	}
	b.AppendDocument("writeConcern", durable())
	return bson.Raw(b.Build())
}

func durable() bsoncore.Document {
	return bsoncore.NewDocumentBuilder().AppendString("w", "majority").AppendBoolean("j", true).Build()
}

// Drop drops a collection or view of the destination; one that is gone is fine.
// A collection that has the name in its place is left alone.
func Drop(ctx context.Context, dst *mongodb.Client, c Collection) error {
	switch {
	case c.NS.IsStoredFunctions():
		return empty(ctx, dst, c)
	case c.Kind == KindTimeseries:
		return dropTimeseries(ctx, dst, c)
	}
	cmd := bson.D{{Key: "drop", Value: c.target().Collection}, mongodb.Durable()}
	if !c.Dest.IsZero() {
		cmd = append(cmd, c.Itself())
	}
	if _, err := dst.Run(ctx, c.NS.DB, cmd); err != nil && !isGone(err) {
		return fmt.Errorf("drop %s on the destination: %w", c.NS, err)
	}
	return nil
}

// empty stands in for the drop of stored functions: the server drops them with
// their database only, for which we have no right, as another's collections may be in
// it.
func empty(ctx context.Context, dst *mongodb.Client, c Collection) error {
	cmd := bson.D{
		{Key: "delete", Value: c.NS.Collection},
		{Key: "deletes", Value: bson.A{bson.D{{Key: "q", Value: bson.D{}}, {Key: "limit", Value: 0}}}},
	}
	if !c.Dest.IsZero() {
		cmd = append(cmd, c.Itself())
	}
	if err := dst.Write(ctx, c.NS.DB, cmd); err != nil && !isGone(err) {
		return fmt.Errorf("empty %s on the destination: %w", c.NS, err)
	}
	_, err := dst.Run(ctx, c.NS.DB, bson.D{{Key: "dropIndexes", Value: c.NS.Collection}, {Key: "index", Value: "*"}, mongodb.Durable()})
	if err != nil && !isGone(err) {
		return fmt.Errorf("drop the indexes of %s on the destination: %w", c.NS, err)
	}
	return nil
}

// dropTimeseries looks first whether it is ours: for these the server takes no
// collectionUUID.
func dropTimeseries(ctx context.Context, dst *mongodb.Client, c Collection) error {
	have, err := Find(ctx, dst, c.NS)
	if err != nil || have == nil || (!c.Dest.IsZero() && have.UUID != c.Dest) {
		return err
	}
	_, err = dst.Run(ctx, c.NS.DB, bson.D{{Key: "drop", Value: c.NS.Collection}, mongodb.Durable()})
	if err != nil && !isGone(err) {
		return fmt.Errorf("drop %s on the destination: %w", c.NS, err)
	}
	return nil
}

// isGone says whether a command met no collection of that name, or another one.
func isGone(err error) bool {
	code := mongodb.Code(err)
	return code == mongodb.CodeNamespaceNotFound || code == mongodb.CodeCollectionUUIDMismatch
}
