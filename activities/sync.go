package activities

import (
	"context"
	"errors"
	"slices"
	"time"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/ownership"
	"mongoferry/internal/replication"
)

// SourceOpTime reads a time that nothing read from the source so far has passed.
func (a *Activities) SourceOpTime(ctx context.Context, spec migration.Spec) (migration.OpTime, error) {
	return work(ctx, a, spec, func(ctx context.Context, s *session) (migration.OpTime, error) {
		return mongodb.ReadableOpTime(ctx, s.source)
	})
}

// ApplyChanges is one slice of the continuous sync. Cancelled, it gives as its
// result where it stands.
func (a *Activities) ApplyChanges(ctx context.Context, in SliceInput) (SliceResult, error) {
	return work(ctx, a, in.Spec, func(ctx context.Context, s *session) (SliceResult, error) {
		from := in.From
		if last, err := resumeFrom[Position](ctx); err != nil {
			return SliceResult{}, err
		} else if last != nil {
			from = *last
		}
		s.report(&from, migration.Live{})
		var applying *applying
		err := s.underCompatibility(ctx, in.Compatibility, func(ctx context.Context) error {
			started, err := s.startApplying(ctx, from, in.Pace, nil)
			if err != nil {
				return err
			}
			applying = started
			return applying.run(ctx, sliceEnd(in))
		})
		if applying == nil {
			return SliceResult{}, err
		}
		if err != nil && ctx.Err() != nil && mongodb.IsStop(err) {
			err = nil
		}
		refused, omitted := migration.ListIndexes(applying.applier.Map.Refused())
		return SliceResult{
			Position: applying.position, Replication: applying.status(), Window: applying.progress.Window,
			Refused: refused, RefusedOmitted: omitted,
		}, err
	})
}

// sliceEnd says when a slice is over.
func sliceEnd(in SliceInput) replication.Until {
	end := time.Now().Add(in.Duration)
	return func(p replication.Progress) bool {
		caughtUp := in.CatchUp && !p.OpTime.Before(in.Past) &&
			p.OpTime.LagSeconds(p.SourceOpTime) <= int64(in.Spec.ReadyLag/time.Second)
		return caughtUp || time.Now().After(end)
	}
}

// applying is the replication at work within an activity.
type applying struct {
	*session
	applier *replication.Applier
	epoch   int64
	started time.Time
	// from is where it began.
	from     migration.OpTime
	position Position
	progress replication.Progress
	// read and applied count the events of the runs before this one.
	read, applied int64
}

// startApplying takes the lane over, so that no earlier attempt can write, and
// prepares to apply from a position.
func (s *session) startApplying(ctx context.Context, from Position, pace migration.Pace, watch func(replication.Change)) (*applying, error) {
	filter, err := filterOf(s.spec)
	if err != nil {
		return nil, err
	}
	attempt, err := s.ledger.Begin(ctx, ownership.LaneReplication)
	if err != nil {
		return nil, err
	}
	w := &applying{session: s, epoch: attempt.Epoch, started: time.Now(), from: from.OpTime, position: from}
	cols := catalog.NewMap(s.destination, s.spec.MetadataDB)
	repeated := attempt.Previous != from.Epoch
	config := replication.Config{
		Source: s.source, Destination: s.destination, Log: s.log, Map: cols, Filter: filter,
		Ledger: s.ledger, Lane: ownership.LaneReplication, Attempt: attempt, Repeated: repeated,
		MetaDB: s.spec.MetadataDB, Writers: writersOf(pace.Load), Report: w.moved, Watch: watch,
		Copier: s.newAdopter(attempt, pace),
	}
	if limit := newLimiter(pace.MaxRate); limit != nil {
		config.Limit = limit
	}
	w.applier, err = replication.New(ctx, config)
	if err != nil {
		return nil, err
	}
	if repeated {
		// A cutover or a look that ended with its worker may have left it constrained.
		err = catalog.Relax(ctx, s.destination, cols)
	}
	return w, err
}

func (w *applying) run(ctx context.Context, until replication.Until) error {
	p, err := w.applier.Run(ctx, replication.Position{
		ResumeToken: w.position.ResumeToken, OpTime: w.position.OpTime, SafeAfter: w.position.SafeAfter,
	}, until)
	w.read, w.applied = w.read+p.EventsRead, w.applied+p.EventsApplied
	p.EventsRead, p.EventsApplied = 0, 0
	w.take(p)
	return err
}

// moved is told of the progress while a run goes on. The heartbeat's position
// names no epoch: a next attempt that begins there must know that this one may
// have got further.
func (w *applying) moved(p replication.Progress) {
	w.take(p)
	state := w.position
	state.Epoch = 0
	status := w.status()
	w.report(&state, migration.Live{Replication: &status})
}

func (w *applying) take(p replication.Progress) {
	w.progress = p
	w.position = Position{ResumeToken: p.ResumeToken, OpTime: p.OpTime, SafeAfter: p.SafeAfter, Epoch: w.epoch}
	if p.Broken {
		w.position.Epoch = 0 // the next attempt must look what this one has done
	}
}

func (w *applying) status() migration.ReplicationStatus {
	p := w.progress
	s := migration.ReplicationStatus{
		LastAppliedOpTime: p.OpTime, LagSeconds: p.OpTime.LagSeconds(p.SourceOpTime),
		EventsRead: w.read + p.EventsRead, EventsApplied: w.applied + p.EventsApplied,
	}
	s.SetWindow(p.Window)
	elapsed := time.Since(w.started).Seconds()
	if elapsed > 0 {
		s.EventsPerSecond = int64(float64(s.EventsApplied) / elapsed)
	}
	if elapsed > measureAfter.Seconds() {
		s.ETASeconds = migration.CatchUpSeconds(s.LagSeconds, float64(w.from.LagSeconds(p.OpTime))/elapsed)
	}
	return s
}

// drain implements cutover.Drainer over the replication. changes are those after
// the fence.
type drain struct {
	*applying
	fence   migration.OpTime
	changes []replication.Change
	ran     bool
}

func (d *drain) note(c replication.Change) {
	if !c.At.After(d.fence) {
		return
	}
	c.ID.Value = slices.Clone(c.ID.Value) // it is part of a whole batch
	d.changes = append(d.changes, c)
}

// DrainTo applies every change up to a time.
func (d *drain) DrainTo(ctx context.Context, to, fence migration.OpTime) error {
	d.fence, d.ran = fence, true
	d.changes = slices.DeleteFunc(d.changes, func(c replication.Change) bool { return !c.At.After(fence) })
	err := d.run(ctx, func(p replication.Progress) bool { return !p.OpTime.Before(to) })
	if errors.Is(err, context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return err
}
