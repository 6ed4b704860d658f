package initialsync

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"mongoferry/internal/mongodb"
)

// far is from which round trip on a copy writes several batches at once: a destination
// that is nearer is kept busy by the copies beside it.
const far = 3 * time.Millisecond

// writing are the slots to write with.
func (t *flow) writing() []*mongodb.Slot {
	// A low load writes one at a time, so that its rests are rests.
	if t.Part.Natural || t.Tuning.Idle > 0 || t.Destination.RoundTrip() < far {
		return t.Slots[:1]
	}
	return t.Slots
}

// Hold takes slots, all of which shut older attempts out, whether they are written with
// or not. It gives how long the fastest took.
func Hold(ctx context.Context, slots []*mongodb.Slot) (least time.Duration, err error) {
	took := make([]time.Duration, len(slots))
	group, ctx := errgroup.WithContext(ctx)
	for i, s := range slots {
		group.Go(func() (err error) {
			took[i], err = s.Hold(ctx)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	return slices.Min(took), nil
}
