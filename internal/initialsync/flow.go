package initialsync

import (
	"context"
	"sync/atomic"
	"time"

	"mongoferry/internal/partition"
)

// flow is what the two ends of a copy tell each other: the writer how large batches
// may be, the reader what they hold of the memory.
type flow struct {
	Task
	// size is how many documents a batch may hold, average how many bytes one has,
	// as far as the reader knows.
	size    atomic.Int64
	average int64
	// seen is how many bytes have been read.
	seen int64
	// held is what this copy has of the memory.
	held atomic.Int64
	// least is how long the smallest write takes.
	least time.Duration
}

// maxLeast bounds what counts as the way to the server and back: beyond it, the
// server is busy.
const maxLeast = 250 * time.Millisecond

func newFlow(t Task, least time.Duration) *flow {
	if t.Tuning == (Tuning{}) {
		t.Tuning = TuningOf("")
	}
	f := &flow{Task: t, average: averageOf(t.Part), least: min(least, maxLeast)}
	f.size.Store(int64(t.Tuning.First))
	return f
}

// averageOf is the bytes of a document by the counts of the plan, 0 where it has none.
func averageOf(p partition.Part) int64 {
	if p.Documents <= 0 {
		return 0
	}
	return p.Bytes / p.Documents
}

// ask says how many documents the next batch may hold, when there is memory for it.
func (f *flow) ask(ctx context.Context) (n int32, reserved int64, err error) {
	n = documents(int(f.size.Load()), f.average, f.Limit)
	known := f.Part.Bytes
	if f.seen > known {
		known = 0 // it has grown since it was measured
	}
	reserved = expected(n, f.average, known)
	return n, reserved, f.acquire(ctx, reserved)
}

// read takes in what came: its memory is what is left of the reservation, or more where
// documents are larger than those before and there is more. It does not wait for that:
// others may wait for what it has.
func (f *flow) read(b *batch, reserved int64) {
	if b.count > 0 {
		f.average = b.bytes / b.count
		f.seen += b.bytes
		b.held = copies * b.bytes
	}
	if more := b.held - reserved; more > 0 && !f.tryAcquire(more) {
		b.held = reserved
	}
	f.release(max(reserved-b.held, 0))
}

// written takes in how long an insert took, and rests.
func (f *flow) written(ctx context.Context, b batch, took time.Duration) error {
	w := written{documents: int(b.count), bytes: int(b.bytes), took: max(took-f.least, 0)}
	f.size.Store(int64(f.Tuning.next(int(f.size.Load()), w)))
	f.release(b.held)
	rest := f.Tuning.rest(w)
	if rest <= 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(rest):
		return nil
	}
}

func (f *flow) wait(ctx context.Context, b batch) error {
	if f.Limit == nil {
		return nil
	}
	return f.Limit.Wait(ctx, b.count, b.bytes)
}

func (f *flow) acquire(ctx context.Context, n int64) error {
	if f.Memory == nil {
		return nil
	}
	if err := f.Memory.Acquire(ctx, n); err != nil {
		return err
	}
	f.held.Add(n)
	return nil
}

func (f *flow) tryAcquire(n int64) bool {
	if f.Memory == nil || !f.Memory.TryAcquire(n) {
		return false
	}
	f.held.Add(n)
	return true
}

func (f *flow) release(n int64) {
	if f.Memory == nil || n == 0 {
		return
	}
	f.held.Add(-n)
	f.Memory.Release(n)
}

// close gives back what batches hold that were never written.
func (f *flow) close() { f.release(f.held.Load()) }
