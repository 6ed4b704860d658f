package initialsync

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"mongoferry/internal/devstack"
	"mongoferry/internal/enginetest"
	"mongoferry/internal/migration"
	"mongoferry/internal/partition"
)

// TestCopyFarAway: a destination behind a network of some latency is written to by
// several slots at once; what is broken off is taken up behind what has landed, and
// nothing is missing.
func TestCopyFarAway(t *testing.T) {
	t.Parallel()
	k := newCopying(t, plain(20_000, 100))
	proxy := devstack.NewProxy(t, k.dst.Address().Hosts())
	proxy.Delay(5 * time.Millisecond)
	distant := enginetest.Dial(t, "destination", proxy.URI())
	far := func(ctx context.Context, from Task) (Progress, error) {
		from.Destination, from.Slots = distant, k.slots(distant)
		from.Tuning = Tuning{Target: time.Minute, First: 500, Most: 500}
		done, err := Copy(ctx, from)
		if len(newFlow(from, 0).writing()) != len(from.Slots) {
			t.Errorf("a round trip takes %s, and one slot writes", distant.RoundTrip())
		}
		from.Tuning = TuningOf(migration.LoadLow)
		if len(newFlow(from, 0).writing()) != 1 {
			t.Error("at a low load several slots write")
		}
		return done, err
	}
	part := partition.Whole(k.c)
	ctx, stop := context.WithCancel(t.Context())
	last := int32(-1)
	done, err := far(ctx, k.task(part, func(p Progress) {
		id := p.LastID.Int32()
		if id <= last || int64(id) != p.Documents-1 {
			t.Errorf("%d documents have landed, up to %d, after up to %d", p.Documents, id, last)
		}
		if last = id; p.Documents >= 5000 {
			stop()
		}
	}))
	if !errors.Is(err, context.Canceled) || done.LastID.Int32() != last {
		t.Fatalf("broken off at %d, reported up to %d: %v", done.LastID.Int32(), last, err)
	}
	rest := k.task(part, func(Progress) {})
	rest.Resume = done.LastID
	if _, err := far(t.Context(), rest); err != nil {
		t.Fatal(err)
	}
	k.same()
}

// TestLanding: batches that are early wait for those before them.
func TestLanding(t *testing.T) {
	t.Parallel()
	var reported []int64
	l := landing{report: func(p Progress) { reported = append(reported, p.Documents) }}
	for _, n := range []int{1, 0, 2, 4, 5, 3} {
		l.add(batch{number: n, count: 1 << n})
	}
	if want := []int64{3, 7, 63}; !slices.Equal(reported, want) {
		t.Errorf("reported %v, want %v", reported, want)
	}
}
