// Package initialsync copies the documents of a part as the bytes they are: the
// batch that a find returns becomes, unread, the batch of an insert.
package initialsync

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/zap"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/partition"
)

// Task is one part to copy. Documents are read with majority concern at or
// after After. Resume is the last _id that an earlier attempt is known to have
// copied; its zero value means from the beginning.
type Task struct {
	Source, Destination *mongodb.Client
	Log                 *zap.Logger
	Map                 *catalog.Map
	Part                partition.Part
	After               migration.OpTime
	// Slots are those of the attempt, one at least. Copy takes all of them; with how many
	// it writes at once follows how far the destination is away.
	Slots  []*mongodb.Slot
	Resume bson.RawValue
	// Tuning bounds batches; its zero value is that of normal load. Limit and Memory
	// may be nil.
	Tuning Tuning
	Limit  Limiter
	Memory Memory
	// Progress is called after every batch that is durable on the destination.
	Progress func(Progress)
}

// Limiter bounds how much is copied in a second.
type Limiter interface {
	// Documents is how many of a size may come at once, at least 1.
	Documents(bytesEach int64) int
	// Wait holds until so much may be written, or the context ends.
	Wait(ctx context.Context, documents, bytes int64) error
}

// Memory is the bytes that all copies of this process may hold, together.
type Memory interface {
	// Acquire takes bytes, when there are as many, unless the context ends.
	Acquire(ctx context.Context, n int64) error
	// TryAcquire takes them when they are there now.
	TryAcquire(n int64) bool
	// Release gives bytes back.
	Release(n int64)
}

// Progress is what is durable on the destination: every document of the part up
// to LastID, and how many documents and BSON bytes this run has copied.
type Progress struct {
	LastID    bson.RawValue
	Documents int64
	Bytes     int64
}
