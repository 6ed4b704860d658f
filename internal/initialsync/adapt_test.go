package initialsync

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"mongoferry/internal/migration"
	"mongoferry/internal/partition"
)

const ms = time.Millisecond

func TestNextBatch(t *testing.T) {
	t.Parallel()
	normal := TuningOf(migration.LoadNormal)
	for _, c := range []struct {
		name       string
		size, want int
		w          written
	}{
		{"fast: a step more", 5000, 5500, written{documents: 5000, took: 100 * ms}},
		{"as long as wanted: a step more", 5000, 5500, written{documents: 5000, took: 250 * ms}},
		{"slow: half", 5000, 2500, written{documents: 5000, took: 251 * ms}},
		{"slow, but of before the last halving", 2500, 2500, written{documents: 5000, took: 400 * ms}},
		{"slow and bounded by bytes: half of what it was", 5000, 600, written{documents: 1200, took: 300 * ms}},
		{"never too small", 150, 100, written{documents: 150, took: time.Minute}},
		{"nor larger for being slow", 50, 50, written{documents: 50, took: time.Minute}},
		{"slow with few large documents", 5000, 100, written{documents: 1, took: time.Second}},
		{"never too large", 9800, 10_000, written{documents: 9800, took: ms}},
		{"at the end of a part", 5000, 5000, written{documents: 17, took: ms}},
	} {
		if got := normal.next(c.size, c.w); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestRest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		load migration.Load
		w    written
		want time.Duration
	}{
		{"normal", migration.LoadNormal, written{documents: 5000, took: 200 * ms}, 0},
		{"normal, slow: smaller batches do", migration.LoadNormal, written{documents: 5000, took: time.Second}, 0},
		{"normal, slow with the smallest", migration.LoadNormal, written{documents: 100, took: 650 * ms}, 400 * ms},
		{"normal, one large document", migration.LoadNormal, written{documents: 1, bytes: 12 << 20, took: 500 * ms}, 0},
		{"bounded", migration.LoadNormal, written{documents: 100, took: time.Minute}, maxRest},
		{"low: half of the time", migration.LoadLow, written{documents: 1000, took: 80 * ms}, 80 * ms},
		{"low, slow", migration.LoadLow, written{documents: 100, took: 300 * ms}, 500 * ms},
		{"high", migration.LoadHigh, written{documents: 100, took: 900 * ms}, 0},
	} {
		if got := TuningOf(c.load).rest(c.w); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestConverges: on a server of any speed batches settle where an insert takes about
// as long as wanted, and follow when its speed changes.
func TestConverges(t *testing.T) {
	t.Parallel()
	for _, load := range migration.Loads() {
		tuning := TuningOf(load)
		size := tuning.First
		for _, perDocument := range []time.Duration{10 * time.Microsecond, 200 * time.Microsecond, 50 * time.Microsecond} {
			for range 60 {
				size = tuning.next(size, written{documents: size, took: time.Duration(size) * perDocument})
			}
			most := min(int(tuning.Target/perDocument)+stepBatch, tuning.Most)
			if size > most || size < most/2-stepBatch || size > 50_000 {
				t.Errorf("%s, %s each: %d documents, want %d to %d", load, perDocument, size, most/2, most)
			}
		}
	}
}

func TestDocumentsOfABatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		size    int
		average int64
		limit   Limiter
		want    int32
	}{
		{5000, 0, nil, 5000},
		{5000, 200, nil, 5000},
		{5000, 50 << 10, nil, 122},
		{5000, 16 << 20, nil, 1},
		{5000, 200, atOnce(7), 7},
		{5, 200, atOnce(7), 5},
	} {
		if got := documents(c.size, c.average, c.limit); got != c.want {
			t.Errorf("%d of %d bytes: %d, want %d", c.size, c.average, got, c.want)
		}
	}
}

// atOnce lets so many documents through at once.
type atOnce int

func (a atOnce) Documents(int64) int                      { return int(a) }
func (a atOnce) Wait(context.Context, int64, int64) error { return nil }

// TestMemoryComesBack: whatever becomes of batches, nothing of the memory is kept,
// and one that is waited for ends with the context.
func TestMemoryComesBack(t *testing.T) {
	t.Parallel()
	const all = copies * maxReply
	memory := semaphore.NewWeighted(all)
	f := newFlow(Task{Memory: memory, Part: partition.Part{Documents: 10, Bytes: 10_000}}, 0)
	_, reserved, err := f.ask(t.Context())
	if err != nil || reserved <= 0 || reserved > 1<<20 {
		t.Fatalf("reserved %d: %v", reserved, err)
	}
	b := batch{bytes: 5000, count: 5}
	f.read(&b, reserved)
	if f.held.Load() != copies*5000 || b.held != copies*5000 {
		t.Errorf("held %d, by the batch %d", f.held.Load(), b.held)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.acquire(ended, all); !errors.Is(err, context.Canceled) {
		t.Errorf("more than there is: %v", err)
	}
	if err := f.written(t.Context(), b, 0); err != nil || f.held.Load() != 0 {
		t.Errorf("held %d after the write: %v", f.held.Load(), err)
	}
	if _, reserved, err = f.ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	large := batch{bytes: maxReply, count: 5} // more than was expected
	f.read(&large, reserved)
	if large.held != all {
		t.Errorf("%d held by a batch of twice %d", large.held, maxReply)
	}
	another := batch{bytes: maxReply, count: 5} // more than there is: it does not wait
	f.read(&another, 0)
	if another.held != 0 {
		t.Errorf("%d held where nothing was left", another.held)
	}
	f.read(&batch{}, 0)
	f.close()
	if !memory.TryAcquire(all) {
		t.Errorf("held %d after the end", f.held.Load())
	}
}

// TestGrownSinceThePlan: a collection that was small when it was measured takes memory by
// what it is now.
func TestGrownSinceThePlan(t *testing.T) {
	t.Parallel()
	f := newFlow(Task{Part: partition.Part{Documents: 2, Bytes: 2000}}, 0)
	ask := func() (reserved int64) {
		_, reserved, err := f.ask(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return reserved
	}
	if first := ask(); first > 1<<20 {
		t.Errorf("%d reserved for a part of 2,000 bytes", first)
	}
	f.read(&batch{bytes: 5_000_000, count: 5000}, 0)
	if second := ask(); second < copies*5_000_000 {
		t.Errorf("%d reserved for a batch like the one before, of 5,000,000 bytes", second)
	}
}
