package replication

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/zap"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

const windowEvery = 10 * time.Second

// oplogWindow is how many seconds the source's oplog reaches back, 0 where the
// user may not read it.
func oplogWindow(ctx context.Context, src *mongodb.Client, log *zap.Logger) int64 {
	var ends [2]migration.OpTime
	for i, order := range []int{1, -1} {
		docs, err := mongodb.All(ctx, src, "local", bson.D{
			{Key: "find", Value: "oplog.rs"}, {Key: "sort", Value: bson.D{{Key: "$natural", Value: order}}},
			{Key: "limit", Value: 1}, {Key: "singleBatch", Value: true},
			{Key: "projection", Value: bson.D{{Key: "ts", Value: 1}}},
		})
		if err != nil || len(docs) == 0 {
			log.Debug("the oplog window is not known", zap.Error(err))
			return 0
		}
		ends[i].T, ends[i].I, _ = docs[0].Lookup("ts").TimestampOK()
	}
	return int64(ends[1].T) - int64(ends[0].T)
}
