package initialsync

import (
	"time"

	"mongoferry/internal/migration"
)

// Tuning bounds the batches of a copy. How many documents one holds follows how long
// their insert takes: it grows by steps while that is below Target, and is halved
// above. When batches cannot get smaller, the copy rests between them.
type Tuning struct {
	Target      time.Duration
	First, Most int
	// Idle is for how many times its length the copy rests after an insert.
	Idle float64
}

// batchSize is what batches begin with at normal load. With 1,000 a copy was a fifth
// slower, and 100,000 would not fit an insert.
const batchSize = 5000

const (
	// leastBatch is below what a server notices; stepBatch is how fast batches grow.
	leastBatch = 100
	stepBatch  = 500
	// batchBytes is what a batch aims at; one document may be larger.
	batchBytes = 6 << 20
	maxReply   = 16 << 20
	maxRest    = 2 * time.Second
)

// TuningOf gives the bounds of a load.
func TuningOf(load migration.Load) Tuning {
	switch load {
	case migration.LoadLow:
		return Tuning{Target: 100 * time.Millisecond, First: 1000, Most: 5000, Idle: 1}
	case migration.LoadHigh:
		return Tuning{Target: time.Second, First: batchSize, Most: 20_000}
	default:
		return Tuning{Target: 250 * time.Millisecond, First: batchSize, Most: 10_000}
	}
}

// written is one insert as it was seen: how many documents and bytes, and how long
// it took beyond what the smallest write takes, which no batch size changes.
type written struct {
	documents, bytes int
	took             time.Duration
}

// next is how many documents a batch may hold after an insert.
func (t Tuning) next(size int, w written) int {
	switch {
	case w.took > t.Target && w.documents > size: // it was read before batches became smaller
		return size
	case w.took > t.Target:
		return max(min(size, w.documents)/2, min(size, leastBatch))
	case w.documents < size/2: // something else bounds it: that it was fast says nothing
		return size
	default:
		return min(size+stepBatch, t.Most)
	}
}

// rest is for how long nothing is written after an insert.
func (t Tuning) rest(w written) time.Duration {
	rest := time.Duration(float64(w.took) * t.Idle)
	if w.documents <= leastBatch {
		// A few large documents may take longer.
		target := t.Target * time.Duration(max(w.bytes, batchBytes)>>10) / (batchBytes >> 10)
		rest += max(w.took-target, 0)
	}
	return min(rest, maxRest)
}

// documents is how many are asked for: as many as the size allows, and the bytes.
func documents(size int, average int64, limit Limiter) int32 {
	n := min(int64(size), max(batchBytes/max(average, 1), 1))
	if limit != nil {
		n = min(n, int64(limit.Documents(average)))
	}
	return int32(n)
}

// expected is how many bytes of memory a batch of so many documents of a part takes
// until it is written. Nothing is known of documents of which the plan has no size.
func expected(documents int32, average, part int64) int64 {
	if average == 0 {
		return copies * maxReply
	}
	const slack = 64 << 10
	bytes := min(int64(documents)*average*5/4+slack, maxReply)
	if part > 0 {
		bytes = min(bytes, 2*part+slack) // a small collection
	}
	return copies * bytes
}

// copies is how often a batch is held: as it was read, and in the message that
// writes it.
const copies = 2
