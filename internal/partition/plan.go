package partition

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"mongoferry/internal/catalog"
	"mongoferry/internal/mongodb"
)

const (
	// partBytes is the least size a part aims at: small enough that several run to
	// the end of the copy, large enough that starting one costs nothing. With more to
	// copy, parts grow so that there are about maxParts: each is a step of the
	// migration's history, and has a document in the plan.
	partBytes = 128 << 20
	maxParts  = 1024
	// bundleBytes and bundleParts bound a bundle of small collections.
	bundleBytes = 64 << 20
	bundleParts = 200
	// planners bounds how many collections are measured at once.
	planners = 8
)

// Plan splits the collections into units, the large ones first, so that no long
// one is left for the end.
func Plan(ctx context.Context, src *mongodb.Client, cols []catalog.Collection) ([]Unit, Totals, error) {
	wholes := make([]Part, len(cols))
	err := each(ctx, cols, func(ctx context.Context, i int) (err error) {
		wholes[i], err = measured(ctx, src, cols[i])
		return err
	})
	if err != nil {
		return nil, Totals{}, err
	}
	size := partSize(wholes)
	perCollection := make([][]Part, len(cols))
	err = each(ctx, cols, func(ctx context.Context, i int) (err error) {
		perCollection[i], err = split(ctx, src, cols[i], wholes[i], size)
		return err
	})
	if err != nil {
		return nil, Totals{}, err
	}
	var totals Totals
	var parts []Part
	for i, c := range cols {
		if c.HasDocuments() {
			totals.Namespaces++
		}
		totals.Indexes += int64(c.IndexesDuringSync())
		for _, p := range perCollection[i] {
			totals.Documents += p.Documents
			totals.Bytes += p.Bytes
			parts = append(parts, p)
		}
	}
	return bundle(parts), totals, nil
}

// each does something with every collection that has documents, several at a time.
func each(ctx context.Context, cols []catalog.Collection, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(planners)
	for i, c := range cols {
		if c.HasDocuments() {
			group.Go(func() error { return do(ctx, i) })
		}
	}
	return group.Wait()
}

// partSize is what a part aims at, by all that there is to copy.
func partSize(wholes []Part) int64 {
	var bytes int64
	for _, w := range wholes {
		bytes += w.Bytes
	}
	return max(bytes/maxParts, partBytes)
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
