package partition

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/mongodb"
)

// The collections of the metadata database that hold the plan.
const (
	unitsCollection   = "units"
	bundlesCollection = "bundles"
)

// storeBytes and storeStatements bound one command that stores a piece of the plan:
// 100,000 of them one by one would be as many waits for a majority.
const (
	storeBytes      = 4 << 20
	storeStatements = 1000
)

// Store writes the plan into the metadata database, in place of any before it.
func Store(ctx context.Context, dst *mongodb.Client, metaDB string, units []Unit) error {
	if err := storeAll(ctx, dst, metaDB, unitsCollection, units, func(u Unit) int { return u.ID }); err != nil {
		return fmt.Errorf("store the copy plan: %w", err)
	}
	return nil
}

// StoreBundles writes the plan of the index builds, in place of any before it.
func StoreBundles(ctx context.Context, dst *mongodb.Client, metaDB string, bundles []Bundle) error {
	if err := storeAll(ctx, dst, metaDB, bundlesCollection, bundles, func(b Bundle) int { return b.ID }); err != nil {
		return fmt.Errorf("store the plan of the index builds: %w", err)
	}
	return nil
}

// Load reads one unit of the plan.
func Load(ctx context.Context, dst *mongodb.Client, metaDB string, id int) (Unit, error) {
	u, err := load[Unit](ctx, dst, metaDB, unitsCollection, id)
	if err != nil {
		return Unit{}, fmt.Errorf("read unit %d of the copy plan: %w", id, err)
	}
	return u, nil
}

// LoadBundle reads one bundle of the plan of the index builds.
func LoadBundle(ctx context.Context, dst *mongodb.Client, metaDB string, id int) (Bundle, error) {
	b, err := load[Bundle](ctx, dst, metaDB, bundlesCollection, id)
	if err != nil {
		return Bundle{}, fmt.Errorf("read bundle %d of the index builds: %w", id, err)
	}
	return b, nil
}

// stored keeps a piece of the plan as bytes: the bounds may be values that have a
// meaning of their own inside a document.
type stored struct {
	ID   int    `bson:"_id"`
	Data []byte `bson:"data"`
}

func storeAll[T any](ctx context.Context, dst *mongodb.Client, metaDB, collection string, pieces []T, id func(T) int) error {
	var statements bson.A
	size := 0
	flush := func() error {
		if len(statements) == 0 {
			return nil
		}
		err := dst.Write(ctx, metaDB, bson.D{{Key: "update", Value: collection}, {Key: "updates", Value: statements}})
		statements, size = nil, 0
		return err
	}
	for _, p := range pieces {
		data, err := bson.Marshal(p)
		if err != nil {
			return fmt.Errorf("encode number %d: %w", id(p), err)
		}
		if size+len(data) > storeBytes || len(statements) == storeStatements {
			if err := flush(); err != nil {
				return err
			}
		}
		statements = append(statements, bson.D{
			{Key: "q", Value: bson.D{{Key: "_id", Value: id(p)}}}, {Key: "u", Value: stored{id(p), data}}, {Key: "upsert", Value: true},
		})
		size += len(data)
	}
	return flush()
}

func load[T any](ctx context.Context, dst *mongodb.Client, metaDB, collection string, id int) (piece T, err error) {
	docs, err := mongodb.All(ctx, dst, metaDB, bson.D{
		{Key: "find", Value: collection}, {Key: "filter", Value: bson.D{{Key: "_id", Value: id}}},
		{Key: "readConcern", Value: bson.D{{Key: "level", Value: "majority"}}},
	})
	if err != nil {
		return piece, err
	}
	if len(docs) == 0 {
		return piece, fmt.Errorf("there is none in %s.%s: was the metadata database changed?", metaDB, collection)
	}
	var s stored
	if err := bson.Unmarshal(docs[0], &s); err != nil {
		return piece, err
	}
	return piece, bson.Unmarshal(s.Data, &piece)
}
