package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/partition"
)

const (
	// copiers is how many units the workflow copies at once, builders how many bundles
	// of indexes it builds at once.
	copiers, builders = 4, 2
	// copyBatch is the batch size of the copy.
	copyBatch = 5000
	// copyPart is the size of its parts.
	copyPart = 128 << 20
)

// ceiling is the documents of a collection in memory, in the very batches in which
// the copy reads and writes them, and what it takes to do either alone.
type ceiling struct {
	src, dst *mongodb.Client
	ns       migration.Namespace
	parts    []partition.Part
	batches  [][]bson.RawArray
	bytes    int64
}

// newCeiling reads the collection into memory.
func newCeiling(ctx context.Context, src, dst *mongodb.Client, ns migration.Namespace) (*ceiling, error) {
	c := &ceiling{src: src, dst: dst, ns: ns}
	col, err := catalog.Find(ctx, src, ns)
	if err != nil {
		return nil, err
	}
	if col == nil {
		return nil, fmt.Errorf("%s is not on the source", ns)
	}
	if c.parts, err = partition.Split(ctx, src, *col, copyPart); err != nil {
		return nil, err
	}
	c.batches = make([][]bson.RawArray, len(c.parts))
	var bytes atomic.Int64
	_, err = c.read(ctx, func(part int, documents bson.RawArray) {
		c.batches[part] = append(c.batches[part], documents)
		bytes.Add(int64(len(documents)))
	})
	c.bytes = bytes.Load()
	return c, err
}

// read reads the source as the copy does; take is called for each batch, for those of
// one part one after the other.
func (c *ceiling) read(ctx context.Context, take func(part int, documents bson.RawArray)) (time.Duration, error) {
	started := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(copiers)
	for i, p := range c.parts {
		group.Go(func() error {
			cursor, err := mongodb.Open(ctx, c.src, c.ns.DB, find(p), copyBatch, 0)
			if err != nil {
				return err
			}
			for {
				batch, err := cursor.Next(ctx)
				if err != nil || batch == nil {
					return err
				}
				if len(batch.Documents) > len("\x05\x00\x00\x00\x00") {
					take(i, batch.Documents)
				}
			}
		})
	}
	err := group.Wait()
	return time.Since(started), err
}

func find(p partition.Part) bson.D {
	cmd := bson.D{
		{Key: "find", Value: p.Collection().Binary()}, {Key: "batchSize", Value: copyBatch},
		{Key: "hint", Value: bson.D{{Key: "_id", Value: 1}}},
		{Key: "readConcern", Value: bson.D{{Key: "level", Value: "majority"}}},
	}
	if !p.Min.IsZero() {
		cmd = append(cmd, bson.E{Key: "min", Value: bson.D{{Key: "_id", Value: p.Min}}})
	}
	if !p.Max.IsZero() {
		cmd = append(cmd, bson.E{Key: "max", Value: bson.D{{Key: "_id", Value: p.Max}}})
	}
	return cmd
}

// readAlone is how long the source takes to be read, with nothing written.
func (c *ceiling) readAlone(ctx context.Context) (time.Duration, error) {
	return c.read(ctx, func(int, bson.RawArray) {})
}

// insertAlone is how long the destination takes to be written from memory, with
// nothing read: as many writers, the same batches, the same write concern.
func (c *ceiling) insertAlone(ctx context.Context) (time.Duration, error) {
	if err := create(ctx, c.dst, c.ns); err != nil {
		return 0, err
	}
	return c.insertAll(ctx)
}

func (c *ceiling) insertAll(ctx context.Context) (time.Duration, error) {
	started := time.Now()
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(copiers)
	for _, batches := range c.batches {
		group.Go(func() error {
			for _, b := range batches {
				if err := insert(groupCtx, c.dst, c.ns, b, durable); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := group.Wait()
	return time.Since(started), err
}

// buildAlone is how long the destination takes to build all indexes in one go, over
// what insertAlone has written.
func (c *ceiling) buildAlone(ctx context.Context, keys []bson.D) (time.Duration, error) {
	started := time.Now()
	err := buildIndexes(ctx, c.dst, c.ns, keys)
	return time.Since(started), err
}
