package activities

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"mongoferry/internal/initialsync"
	"mongoferry/internal/migration"
	"mongoferry/internal/replication"
)

// copyMemory bounds the bytes of all batches of the initial sync that are under way
// in this process, each counted twice: it is held as it was read, and once more in
// the message that writes it. With what else a worker needs, it stays under 256 MiB.
const copyMemory = 96 << 20

// writersOf is how many connections apply changes side by side.
func writersOf(load migration.Load) int {
	switch load {
	case migration.LoadLow:
		return 1
	case migration.LoadHigh:
		return replication.MaxWriters
	default:
		return 4
	}
}

// limiter keeps one activity to its share of the max rate.
type limiter struct {
	share  migration.Rate
	bucket *rate.Limiter
}

var (
	_ initialsync.Limiter = (*limiter)(nil)
	_ replication.Limiter = (*limiter)(nil)
)

// newLimiter gives nil for no limit. It begins with nothing, so that what ends soon
// and begins again gets no more than its share.
func newLimiter(share migration.Rate) *limiter {
	perSecond := share.Documents + share.Bytes
	if perSecond == 0 {
		return nil
	}
	l := &limiter{share: share, bucket: rate.NewLimiter(rate.Limit(perSecond), int(perSecond))}
	l.bucket.AllowN(time.Now(), int(perSecond))
	return l
}

// Documents is what one second lets through.
func (l *limiter) Documents(bytesEach int64) int {
	if l.share.Documents > 0 {
		return int(l.share.Documents)
	}
	return int(max(l.share.Bytes/max(bytesEach, 1), 1))
}

// Wait holds until so much may be written.
func (l *limiter) Wait(ctx context.Context, documents, bytes int64) error {
	left := documents
	if l.share.Bytes > 0 {
		left = bytes
	}
	for left > 0 {
		n := min(left, int64(l.bucket.Burst()))
		if err := l.bucket.WaitN(ctx, int(n)); err != nil {
			<-ctx.Done() // it will end before its turn comes
			return ctx.Err()
		}
		left -= n
	}
	return nil
}

// task completes a task of the initial sync with what it works with, at a pace.
func (s *session) task(pace migration.Pace, t initialsync.Task) initialsync.Task {
	t.Source, t.Destination, t.Log, t.Memory = s.source, s.destination, s.log, s.memory
	t.Tuning = initialsync.TuningOf(pace.Load)
	if limit := newLimiter(pace.MaxRate); limit != nil {
		t.Limit = limit
	}
	return t
}
