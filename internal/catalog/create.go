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
// which is not ours is a Fault that names it; ours, from an earlier attempt, is
// kept.
func Create(ctx context.Context, dst *mongodb.Client, c Collection) (UUID, error) {
	if c.Kind == KindTimeseries {
		return UUID{}, migration.NewFault(migration.Unsupported,
			fmt.Sprintf("%s is a time-series collection, which this version does not migrate: exclude it", c.NS))
	}
	have, err := Find(ctx, dst, c.NS)
	if err != nil {
		return UUID{}, err
	}
	if have != nil {
		if have.UUID == c.Dest && have.Kind == c.Kind {
			return have.UUID, nil
		}
		return UUID{}, strangerAt(c.NS)
	}
	if _, err := dst.RunRaw(ctx, c.NS.DB, c.createCommand()); err != nil {
		return UUID{}, fmt.Errorf("create %s: %w", c.NS, err)
	}
	if c.Kind == KindView {
		return UUID{}, nil
	}
	if have, err = Find(ctx, dst, c.NS); err != nil {
		return UUID{}, err
	}
	if have == nil {
		return UUID{}, fmt.Errorf("create %s: it vanished at once: something else changes the destination", c.NS)
	}
	return have.UUID, nil
}

// strangerAt says that a name is taken on the destination.
func strangerAt(ns migration.Namespace) error {
	return migration.NewFault(migration.WriteRefused, fmt.Sprintf(
		"%s exists on the destination but is not of this migration: something else writes to the destination", ns))
}

func (c Collection) createCommand() bson.Raw {
	b := bsoncore.NewDocumentBuilder().AppendString("create", c.NS.Collection)
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

// Drop drops a namespace of the destination; one that is gone is fine.
func Drop(ctx context.Context, dst *mongodb.Client, ns migration.Namespace) error {
	_, err := dst.Run(ctx, ns.DB, bson.D{{Key: "drop", Value: ns.Collection}, mongodb.Durable()})
	if err != nil && mongodb.Code(err) != mongodb.CodeNamespaceNotFound {
		return fmt.Errorf("drop %s on the destination: %w", ns, err)
	}
	return nil
}
