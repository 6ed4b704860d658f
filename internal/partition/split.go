package partition

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/catalog"
	"mongoferry/internal/mongodb"
)

// How many _id are sampled for each part. With 400, parts differ by a tenth, with 20 one
// may be twice as large as another, which is nothing among hundreds of parts; a sample
// costs a read of a page.
const (
	samplesPerPart, leastSamplesPerPart = 400, 20
	samplesAtMost                       = 20_000
)

// The server reads and sorts the whole collection for a sample of more than a twentieth
// of it, which is only done below scanBytes.
const (
	sampledShare = 25
	scanBytes    = 256 << 20
)

// samples is how many parts to make of a collection, n or less, and how many _id to
// sample for their bounds; 0 where they are counted.
func samples(n int, whole Part) (parts, size int) {
	if countable(whole) {
		return n, 0
	}
	size = min(n*samplesPerPart, max(samplesAtMost, n*leastSamplesPerPart))
	if whole.Bytes < scanBytes {
		return n, size
	}
	few := int(whole.Documents / sampledShare)
	// Large documents: parts of at least a hundred.
	return min(n, max(few/4, 1)), min(size, few)
}

// Split cuts a collection into parts of about the given size, by values of _id in the
// order of the index: counted, or from a sample.
func Split(ctx context.Context, src *mongodb.Client, c catalog.Collection, size int64) ([]Part, error) {
	whole, err := measured(ctx, src, c)
	if err != nil {
		return nil, err
	}
	return split(ctx, src, c, whole, size)
}

// measured is all of a collection, with its size.
func measured(ctx context.Context, src *mongodb.Client, c catalog.Collection) (Part, error) {
	documents, bytes, err := measure(ctx, src, c)
	whole := Whole(c)
	whole.Documents, whole.Bytes = documents, bytes
	return whole, err
}

func split(ctx context.Context, src *mongodb.Client, c catalog.Collection, whole Part, size int64) ([]Part, error) {
	n, sampled := samples(int(whole.Bytes/size)+1, whole)
	if whole.Natural || n == 1 {
		return []Part{whole}, nil
	}
	var bounds []bson.RawValue
	var err error
	if sampled == 0 {
		bounds, err = count(ctx, src, c, n, whole.Documents/int64(n))
	} else {
		bounds, err = sample(ctx, src, c, n, sampled)
	}
	if err != nil {
		return nil, err
	}
	return cut(whole, bounds), nil
}

// cut makes len(bounds)+1 parts, open at both ends.
func cut(whole Part, bounds []bson.RawValue) []Part {
	n := int64(len(bounds) + 1)
	parts := make([]Part, n)
	for i := range parts {
		p := whole
		p.Documents, p.Bytes = whole.Documents/n, whole.Bytes/n
		if i > 0 {
			p.Min = bounds[i-1]
		}
		if i < len(bounds) {
			p.Max = bounds[i]
		}
		parts[i] = p
	}
	return parts
}

// measure asks for the number of documents and their BSON bytes as the server
// keeps them; a collection that is gone has none.
func measure(ctx context.Context, src *mongodb.Client, c catalog.Collection) (documents, bytes int64, err error) {
	reply, err := src.Run(ctx, c.NS.DB, bson.D{{Key: "collStats", Value: c.Storage()}})
	if mongodb.Code(err) == mongodb.CodeNamespaceNotFound {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("measure %s: %w", c.NS, err)
	}
	documents, _ = reply.Lookup("count").AsInt64OK()
	bytes, _ = reply.Lookup("size").AsInt64OK()
	return documents, bytes, nil
}

// sample gives at most n-1 values of _id that cut the collection into even parts, by
// so many that are sampled.
func sample(ctx context.Context, src *mongodb.Client, c catalog.Collection, n, sampled int) ([]bson.RawValue, error) {
	cmd := bson.D{
		{Key: "aggregate", Value: c.Storage()},
		{Key: "pipeline", Value: bson.A{
			bson.D{{Key: "$sample", Value: bson.D{{Key: "size", Value: sampled}}}},
			bson.D{{Key: "$project", Value: bson.D{{Key: "_id", Value: 1}}}},
			bson.D{{Key: "$bucketAuto", Value: bson.D{{Key: "groupBy", Value: "$_id"}, {Key: "buckets", Value: n}}}},
		}},
		{Key: "allowDiskUse", Value: true},
		{Key: "cursor", Value: bson.D{}},
	}
	if collation := c.Collation(); collation != nil {
		cmd = append(cmd, bson.E{Key: "collation", Value: collation})
	}
	buckets, err := mongodb.All(ctx, src, c.NS.DB, cmd)
	if err != nil {
		return nil, fmt.Errorf("sample _id of %s: %w", c.NS, err)
	}
	var bounds []bson.RawValue
	for i, b := range buckets {
		if i == 0 {
			continue
		}
		lower, err := b.LookupErr("_id", "min")
		if err != nil {
			return nil, fmt.Errorf("sample _id of %s: %w", c.NS, err)
		}
		if lower.Type == bson.TypeMaxKey {
			continue // nothing lies above it: the server takes it for no lower bound
		}
		bounds = append(bounds, lower)
	}
	return bounds, nil
}
