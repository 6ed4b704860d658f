package partition

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/catalog"
	"mongoferry/internal/mongodb"
)

// Where documents are large beside their _id, the index is walked through instead of
// sampled: a server counts a million of its keys in a second or less, and a sample is
// uneven where some of its pages are fuller than others.
const (
	countedBytes     = 4 << 10 // of a document, on average
	countedDocuments = 2_000_000
)

// countable says whether that is worth it. An index with a collation does not hold the
// _id itself, and a clustered collection has no such index.
func countable(whole Part) bool {
	return !whole.Clustered && whole.Collation == nil && whole.Documents > 0 && whole.Documents <= countedDocuments &&
		whole.Bytes/whole.Documents >= countedBytes
}

// count gives at most n-1 values of _id, each so many documents behind the one before.
func count(ctx context.Context, src *mongodb.Client, c catalog.Collection, n int, documents int64) (bounds []bson.RawValue, err error) {
	for len(bounds) < n-1 {
		cmd := bson.D{
			{Key: "find", Value: c.UUID.Binary()}, {Key: "projection", Value: bson.D{{Key: "_id", Value: 1}}},
			{Key: "hint", Value: bson.D{{Key: "_id", Value: 1}}},
			{Key: "skip", Value: max(documents, 1)}, {Key: "limit", Value: 1}, {Key: "singleBatch", Value: true},
		}
		if len(bounds) > 0 {
			cmd = append(cmd, bson.E{Key: "min", Value: bson.D{{Key: "_id", Value: bounds[len(bounds)-1]}}})
		}
		found, err := mongodb.All(ctx, src, c.NS.DB, cmd)
		if mongodb.Code(err) == mongodb.CodeNamespaceNotFound {
			return nil, nil // dropped: the change stream tells
		}
		if err != nil {
			return nil, fmt.Errorf("count _id of %s: %w", c.NS, err)
		}
		if len(found) == 0 {
			return bounds, nil
		}
		bound, err := found[0].LookupErr("_id")
		if err != nil {
			return nil, fmt.Errorf("count _id of %s: %w", c.NS, err)
		}
		if bound.Type == bson.TypeMaxKey {
			return bounds, nil // nothing lies above it
		}
		bounds = append(bounds, bound)
	}
	return bounds, nil
}
