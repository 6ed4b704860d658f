package ownership

import (
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"
)

// cutting is a ledger with a current attempt of the cutover.
func cutting(t *testing.T) (*Ledger, int64) {
	t.Helper()
	l := claimed(t)
	return l, begin(t, l, LaneCutover)
}

func begin(t *testing.T, l *Ledger, lane string) int64 {
	t.Helper()
	a, err := l.Begin(t.Context(), lane)
	if err != nil {
		t.Fatal(err)
	}
	return a.Epoch
}

func move(t *testing.T, l *Ledger, epoch int64, to CutoverState, from ...CutoverState) (bool, *Marker) {
	t.Helper()
	moved, m, err := l.Transition(t.Context(), epoch, from, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	if m == nil {
		t.Fatal("no marker was given")
	}
	return moved, m
}

// Every state against every single state that a transition may begin from: the
// marker moves when they are the same, and only then.
func TestTransitions(t *testing.T) {
	t.Parallel()
	l, epoch := cutting(t)
	states := []CutoverState{CutoverNone, CutoverFenced, CutoverBackedOut, CutoverOpening, CutoverOpen}
	at := CutoverNone
	for _, current := range states {
		if moved, m := move(t, l, epoch, current, at); !moved || m.Cutover.State != current {
			t.Fatalf("set up: from %q to %q: moved %t, %+v", at, current, moved, m)
		}
		at = current
		for _, from := range states {
			if from == current {
				continue
			}
			moved, m := move(t, l, epoch, "wrong", from)
			if moved || m.Cutover.State != current {
				t.Errorf("in %q, from %q: moved %t, the marker says %q", current, from, moved, m.Cutover.State)
			}
		}
	}
	if moved, m := move(t, l, epoch, CutoverOpen, CutoverOpening, CutoverOpen); !moved || m.Cutover.State != CutoverOpen {
		t.Errorf("from one of several states: moved %t, %+v", moved, m)
	}
}

// The first transition finds a marker that has never held a state.
func TestFirstTransition(t *testing.T) {
	t.Parallel()
	l, epoch := cutting(t)
	if moved, m := move(t, l, epoch, CutoverOpening, CutoverFenced); moved {
		t.Errorf("moved without a fence: %+v", m)
	}
	if moved, _ := move(t, l, epoch, CutoverFenced, CutoverNone, CutoverBackedOut); !moved {
		t.Error("the fence was refused")
	}
}

func TestTransitionSetsFields(t *testing.T) {
	t.Parallel()
	l, epoch := cutting(t)
	want := Cutover{
		Request: 3, State: CutoverFenced, Reason: "why", Deadline: time.UnixMilli(1000).UTC(), StartedAt: time.UnixMilli(2000).UTC(),
		FencedAt: time.UnixMilli(3000).UTC(), WritesAcceptedAt: time.UnixMilli(4000).UTC(),
	}
	_, m, err := l.Transition(t.Context(), epoch, []CutoverState{CutoverNone}, CutoverFenced, bson.D{
		{Key: "request", Value: want.Request}, {Key: "reason", Value: want.Reason}, {Key: "deadline", Value: want.Deadline},
		{Key: "startedAt", Value: want.StartedAt}, {Key: "fencedAt", Value: want.FencedAt}, {Key: "writesAcceptedAt", Value: want.WritesAcceptedAt},
	})
	if err != nil {
		t.Fatal(err)
	}
	if m.Cutover != want {
		t.Errorf("the transition gave %+v, want %+v", m.Cutover, want)
	}
	if got := find(t, l).Cutover; got != want {
		t.Errorf("the marker holds %+v, want %+v", got, want)
	}
	if _, m = move(t, l, epoch, CutoverBackedOut, CutoverFenced); m.Cutover.Reason != "why" || m.Cutover.Request != 3 {
		t.Errorf("a transition without fields changed some: %+v", m.Cutover)
	}
}

// Only the current attempt of the cutover's own lane may move the marker.
func TestTransitionOfAnOlderAttempt(t *testing.T) {
	t.Parallel()
	l, older := cutting(t)
	move(t, l, older, CutoverFenced, CutoverNone)
	newer := begin(t, l, LaneCutover)
	replicating := begin(t, l, LaneReplication)
	for _, epoch := range []int64{0, older, replicating} {
		if moved, m := move(t, l, epoch, CutoverOpening, CutoverFenced); moved || m.Cutover.State != CutoverFenced {
			t.Errorf("attempt %d moved the marker: %+v", epoch, m)
		}
	}
	other := ledger(t, "two")
	if moved, _, err := other.Transition(t.Context(), newer, []CutoverState{CutoverFenced}, CutoverOpening, nil); moved || err != nil {
		t.Errorf("another migration: moved %t, %v", moved, err)
	}
	if moved, _ := move(t, l, newer, CutoverOpening, CutoverFenced); !moved {
		t.Error("the current attempt could not move the marker")
	}
}

// Opening and backing out at the same moment: exactly one of them happens.
func TestOpeningAgainstBackingOut(t *testing.T) {
	t.Parallel()
	l, epoch := cutting(t)
	for range 20 {
		move(t, l, epoch, CutoverFenced, CutoverNone, CutoverOpening, CutoverBackedOut)
		var moves atomic.Int32
		var winner atomic.Value
		var group errgroup.Group
		for _, to := range []CutoverState{CutoverOpening, CutoverBackedOut, CutoverOpening, CutoverBackedOut} {
			group.Go(func() error {
				moved, _, err := l.Transition(t.Context(), epoch, []CutoverState{CutoverFenced}, to, nil)
				if moved {
					moves.Add(1)
					winner.Store(to)
				}
				return err
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		if state := find(t, l).Cutover.State; moves.Load() != 1 || winner.Load() != state {
			t.Fatalf("%d moved, the last to %v, and the marker says %q", moves.Load(), winner.Load(), state)
		}
	}
}

func TestTransitionWithoutMarker(t *testing.T) {
	t.Parallel()
	moved, m, err := ledger(t, "one").Transition(t.Context(), 1, []CutoverState{CutoverNone}, CutoverFenced, nil)
	if moved || m != nil || err != nil {
		t.Errorf("got %t, %+v, %v", moved, m, err)
	}
}
