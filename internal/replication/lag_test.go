package replication

import (
	"context"
	"errors"
	"testing"

	"mongoferry/internal/mongodb"
)

// TestLagIsKnownWhenBrokenOff: at whatever command to the source a run is stopped,
// once it has moved it knows how far the source is: a lag of 0 would let a cutover
// begin that can only back out.
func TestLagIsKnownWhenBrokenOff(t *testing.T) {
	t.Parallel()
	r := rehearse(t, commands(insert("c", d("_id", 1)))(""), commands(insert("c", d("_id", 2)), insert("c", d("_id", 3)))(""))
	src := r.src
	moved := 0
	for at := int64(1); at < 12; at++ {
		r.reset()
		ctx, stop := context.WithCancel(t.Context())
		gate := &onCommand{do: stop}
		gate.at.Store(at)
		r.src = src.WithGate(gate)
		a, err := r.applier(nil, false)
		must(t, err)
		p, err := a.Run(ctx, r.begin(), func(Progress) bool { return false })
		r.src = src
		if !errors.Is(err, context.Canceled) && !mongodb.IsStop(err) {
			t.Fatalf("stopped at command %d: %v", at, err)
		}
		if p.OpTime != r.start.OpTime {
			moved++
			if p.SourceOpTime.Before(r.end) {
				t.Errorf("stopped at command %d: it stands at %s and takes the source to be at %s, which had written at %s", at, p.OpTime, p.SourceOpTime, r.end)
			}
		}
	}
	if moved == 0 {
		t.Error("no run has moved")
	}
}
