// Package initialsync copies the documents of a part as the bytes they are: the
// batch that a find returns becomes, unread, the batch of an insert.
package initialsync

import (
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/zap"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/partition"
)

// batchSize is how many documents a batch holds at most; 16 MB bound it too.
// 1,000 was a fifth slower, more than 50,000 would not fit an insert.
const batchSize = 5000

// Task is one part to copy. Documents are read with majority concern at or
// after After. Resume is the last _id that an earlier attempt is known to have
// copied; its zero value means from the beginning.
type Task struct {
	Source, Destination *mongodb.Client
	Log                 *zap.Logger
	Map                 *catalog.Map
	Part                partition.Part
	After               migration.OpTime
	Slot                *mongodb.Slot
	Resume              bson.RawValue
	// Progress is called after every batch that is durable on the destination.
	Progress func(Progress)
}

// Progress is what is durable on the destination: every document of the part up
// to LastID, and how many documents and BSON bytes this run has copied.
type Progress struct {
	LastID    bson.RawValue
	Documents int64
	Bytes     int64
}
