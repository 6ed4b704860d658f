package partition

import (
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/catalog"
	"mongoferry/internal/mongodb"
)

const (
	// partBytes is the size a part aims at: small enough that several run to
	// the end of the copy, large enough that starting one costs nothing.
	partBytes = 128 << 20
	// bundleBytes and bundleParts bound a bundle of small collections.
	bundleBytes = 64 << 20
	bundleParts = 200
	// planners bounds how many collections are measured at once.
	planners = 8
)

// Plan splits the collections into units, the large ones first, so that no long
// one is left for the end.
func Plan(ctx context.Context, src *mongodb.Client, cols []catalog.Collection) ([]Unit, Totals, error) {
	perCollection := make([][]Part, len(cols))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(planners)
	for i, c := range cols {
		if !c.HasDocuments() {
			continue
		}
		group.Go(func() error {
			parts, err := Split(ctx, src, c, partBytes)
			perCollection[i] = parts
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, Totals{}, err
	}
	var totals Totals
	var parts []Part
	for i, c := range cols {
		if c.HasDocuments() {
			totals.Namespaces++
		}
		totals.Indexes += int64(c.Secondary())
		for _, p := range perCollection[i] {
			totals.Documents += p.Documents
			totals.Bytes += p.Bytes
			parts = append(parts, p)
		}
	}
	return bundle(parts), totals, nil
}

// bundle makes units of parts: a large one alone, small ones together.
func bundle(parts []Part) []Unit {
	slices.SortStableFunc(parts, func(a, b Part) int { return int(b.Bytes>>10 - a.Bytes>>10) })
	var units []Unit
	var size int64
	for _, p := range parts {
		last := len(units) - 1
		if last >= 0 && size+p.Bytes <= bundleBytes && len(units[last].Parts) < bundleParts {
			units[last].Parts = append(units[last].Parts, p)
			size += p.Bytes
			continue
		}
		units = append(units, Unit{ID: len(units), Parts: []Part{p}})
		size = p.Bytes
	}
	return units
}

const unitsCollection = "units"

// Store writes the plan into the metadata database, in place of any before it.
func Store(ctx context.Context, dst *mongodb.Client, metaDB string, units []Unit) error {
	for _, u := range units {
		data, err := bson.Marshal(u)
		if err != nil {
			return fmt.Errorf("encode unit %d of the copy plan: %w", u.ID, err)
		}
		err = dst.Write(ctx, metaDB, bson.D{
			{Key: "update", Value: unitsCollection},
			{Key: "updates", Value: bson.A{bson.D{
				{Key: "q", Value: bson.D{{Key: "_id", Value: u.ID}}}, {Key: "u", Value: stored{u.ID, data}}, {Key: "upsert", Value: true},
			}}},
		})
		if err != nil {
			return fmt.Errorf("store the copy plan: %w", err)
		}
	}
	return nil
}

// stored keeps a unit as bytes: the bounds may be values that have a meaning of
// their own inside a document.
type stored struct {
	ID   int    `bson:"_id"`
	Data []byte `bson:"data"`
}

// Load reads one unit of the plan.
func Load(ctx context.Context, dst *mongodb.Client, metaDB string, id int) (Unit, error) {
	docs, err := mongodb.All(ctx, dst, metaDB, bson.D{
		{Key: "find", Value: unitsCollection}, {Key: "filter", Value: bson.D{{Key: "_id", Value: id}}},
		{Key: "readConcern", Value: bson.D{{Key: "level", Value: "majority"}}},
	})
	if err != nil {
		return Unit{}, fmt.Errorf("read unit %d of the copy plan: %w", id, err)
	}
	if len(docs) == 0 {
		return Unit{}, fmt.Errorf("the copy plan in %s has no unit %d: was the metadata database changed?", metaDB, id)
	}
	var s stored
	if err := bson.Unmarshal(docs[0], &s); err != nil {
		return Unit{}, fmt.Errorf("read unit %d of the copy plan: %w", id, err)
	}
	var u Unit
	if err := bson.Unmarshal(s.Data, &u); err != nil {
		return Unit{}, fmt.Errorf("read unit %d of the copy plan: %w", id, err)
	}
	return u, nil
}
