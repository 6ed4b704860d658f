package ownership

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"mongoferry/internal/migration"
)

func TestEpochsAndLanes(t *testing.T) {
	t.Parallel()
	l := claimed(t)
	steps := []struct {
		lane            string
		epoch, previous int64
	}{
		{LanePrepare, 1, 0},
		{LaneReplication, 2, 0},
		{"", 3, 0},
		{LaneReplication, 4, 2},
		{LanePrepare, 5, 1},
		{LaneReplication, 6, 4},
	}
	for _, s := range steps {
		a, err := l.Begin(t.Context(), s.lane)
		if err != nil || a.Epoch != s.epoch || a.Previous != s.previous {
			t.Errorf("begin in %q: got epoch %d after %d, %v, want %d after %d", s.lane, a.Epoch, a.Previous, err, s.epoch, s.previous)
		}
	}
	current := map[string]int64{LanePrepare: 5, LaneReplication: 6}
	for lane, epoch := range current {
		for e := range int64(8) {
			err := l.Check(t.Context(), lane, e)
			if e == epoch && err != nil {
				t.Errorf("the current attempt %d of %s: %v", e, lane, err)
			}
			if e != epoch {
				wantKind(t, fmt.Sprintf("attempt %d of %s", e, lane), err, migration.Superseded)
			}
		}
	}
}

// Attempts that begin at the same moment get epochs of their own, and exactly
// one of them is the current one.
func TestAttemptsAtOnce(t *testing.T) {
	t.Parallel()
	l := claimed(t)
	const attempts = 20
	var mu sync.Mutex
	var epochs []int64
	var group errgroup.Group
	for range attempts {
		group.Go(func() error {
			a, err := l.Begin(t.Context(), LaneReplication)
			mu.Lock()
			defer mu.Unlock()
			epochs = append(epochs, a.Epoch)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(epochs)
	for i, epoch := range epochs {
		if epoch != int64(i+1) {
			t.Fatalf("got the epochs %v", epochs)
		}
		if err := l.Check(t.Context(), LaneReplication, epoch); (err == nil) != (i == attempts-1) {
			t.Errorf("check of epoch %d: %v", epoch, err)
		}
	}
}

// TestSlotsOfAnotherClaim: epochs begin anew with each claim, and the server
// remembers those of a slot for half an hour: slots must not be shared.
func TestSlotsOfAnotherClaim(t *testing.T) {
	t.Parallel()
	l := claimed(t)
	names := map[string]bool{}
	for range 2 {
		a, err := l.Begin(t.Context(), LaneReplication)
		if err != nil {
			t.Fatal(err)
		}
		b, err := l.Begin(t.Context(), LaneReplication)
		if err != nil || a.SlotName("x") != b.SlotName("x") || a.SlotName("x") == a.SlotName("y") {
			t.Errorf("slots %q, %q, %v", a.SlotName("x"), b.SlotName("x"), err)
		}
		names[a.SlotName("x")] = true
		if err := l.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := l.Claim(t.Context(), "source", "run"); err != nil {
			t.Fatal(err)
		}
	}
	if len(names) != 2 {
		t.Errorf("two claims share a slot: %v", names)
	}
}
