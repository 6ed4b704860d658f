package activities

import (
	"context"
	"fmt"
	"slices"

	"go.temporal.io/sdk/activity"
	"go.uber.org/zap"

	"mongoferry/internal/catalog"
	"mongoferry/internal/cutover"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/ownership"
)

// CutoverReadiness looks for what stands against a cutover now. Nothing may be
// applied meanwhile.
func (a *Activities) CutoverReadiness(ctx context.Context, spec migration.Spec) (ReadinessResult, error) {
	return work(ctx, a, spec, func(ctx context.Context, s *session) (ReadinessResult, error) {
		var result ReadinessResult
		builds, err := cutover.IndexBuilds(ctx, s.source)
		if err != nil {
			return result, err
		}
		if _, err := s.ledger.Find(ctx); err != nil { // is the destination there?
			return result, err
		}
		for _, ns := range builds {
			result.Refusals = append(result.Refusals, "an index of "+ns+" is being built on the source: wait for it")
		}
		return result, nil
	})
}

// CutOver fences the source, applies the last changes and opens the
// destination, or backs out. Cancelled before the point of no return it backs
// out, after it it completes.
func (a *Activities) CutOver(ctx context.Context, in CutoverInput) (CutoverResult, error) {
	return work(ctx, a, in.Spec, func(ctx context.Context, s *session) (CutoverResult, error) {
		attempt, err := s.ledger.Begin(ctx, ownership.LaneCutover)
		if err != nil {
			return CutoverResult{}, err
		}
		d, err := s.newDrain(ctx, in.From)
		if err != nil {
			return CutoverResult{}, err
		}
		ungated, err := a.client("destination", in.Spec.Destination)
		if err != nil {
			return CutoverResult{}, err
		}
		v := verifier{session: s, mayChange: func(ctx context.Context) error {
			return s.ledger.Check(ctx, ownership.LaneCutover, attempt.Epoch)
		}}
		info := activity.GetInfo(ctx)
		out, err := cutover.Run(ctx, cutover.Config{
			Source: s.source, Destination: s.destination, Ledger: s.ledger,
			UndoLedger: ownership.NewLedger(ungated, in.Spec.MetadataDB, in.Spec.ID),
			Epoch:      attempt.Epoch, Log: s.log, Mode: in.Spec.SourceWrites, Timeout: in.Spec.CutoverTimeout, Request: in.Request, SettleOnly: in.Settle,
			Late:  info.StartedTime.Sub(info.ScheduledTime) > in.Spec.CutoverTimeout,
			Drain: d, Suspect: func(ctx context.Context) error {
				if err := s.checkCompatibility(ctx, in.Compatibility); err != nil {
					return err
				}
				return v.suspect(ctx)
			}, Verify: v.compare, Constrain: v.constrain,
		})
		result := CutoverResult{
			Completed: out.Completed, Reason: out.Reason,
			StartedAt: out.StartedAt, FencedAt: out.FencedAt, WritesAcceptedAt: out.WritesAcceptedAt,
			SourceBlocked: out.Completed && in.Spec.SourceWrites == migration.BlockWrites,
		}
		if d.ran {
			result.Position, result.Replication = d.position, d.status()
			// The next attempt must see to it that equal keys are taken again.
			result.Position.Epoch = 0
		}
		return result, err
	})
}

// newDrain prepares to apply the last changes, unless the destination is open
// already: then nothing is touched that makes it refuse equal keys.
func (s *session) newDrain(ctx context.Context, from Position) (*drain, error) {
	d := &drain{}
	m, err := s.ledger.Find(ctx)
	if err != nil || (m != nil && m.Cutover.State.Opened()) {
		return d, err
	}
	// Writes to the source stand still: no pace holds it up.
	d.applying, err = s.startApplying(ctx, from, migration.Pace{Load: migration.LoadHigh}, d.note)
	return d, err
}

// FirstAfter finds the first change that the fence should have kept out.
func (d *drain) FirstAfter(fence migration.OpTime, tolerateTTL bool) (found *cutover.Intruder, moved bool) {
	for _, c := range d.changes {
		switch {
		case !c.At.After(fence):
		case tolerateTTL && c.TTL:
			moved = true
		default:
			return &cutover.Intruder{NS: c.NS, Kind: c.Kind, ID: c.ID}, false
		}
	}
	return nil, moved
}

var _ cutover.Drainer = (*drain)(nil)

// verifier compares both sides at the fence: catalogs and counts, and unique
// indexes where there was a suspicion. The documents' bytes are not compared.
type verifier struct {
	*session
	// mayChange fails once a later attempt has taken over.
	mayChange func(context.Context) error
	suspects  []migration.UnsuccessfulIndex
}

// suspect looks for violations of unique indexes before the source is fenced, so
// that only what was found has to be looked at again while writers wait.
func (v *verifier) suspect(ctx context.Context) error {
	cols := catalog.NewMap(v.destination, v.spec.MetadataDB)
	if err := cols.Load(ctx); err != nil {
		return err
	}
	found, err := catalog.UniqueViolations(ctx, v.destination, cols, func(migration.Namespace, string) bool { return true }, v.mayChange)
	v.suspects = nil
	for _, f := range found {
		v.suspects = append(v.suspects, f.UnsuccessfulIndex)
	}
	return err
}

func (v *verifier) suspected(ns migration.Namespace, index string) bool {
	return slices.ContainsFunc(v.suspects, func(u migration.UnsuccessfulIndex) bool {
		return u.Namespace == ns.String() && u.IndexName == index
	})
}

func (v *verifier) compare(ctx context.Context) ([]string, error) {
	filter, err := filterOf(v.spec)
	if err != nil {
		return nil, err
	}
	cols := catalog.NewMap(v.destination, v.spec.MetadataDB)
	if err := cols.Load(ctx); err != nil {
		return nil, err
	}
	diffs, err := catalog.Compare(ctx, v.source, v.destination, filter, cols)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, d := range diffs {
		lines = append(lines, d.String())
	}
	if len(v.suspects) == 0 {
		return lines, nil
	}
	found, err := catalog.UniqueViolations(ctx, v.destination, cols, v.suspected, v.mayChange)
	for _, u := range found {
		lines = append(lines, fmt.Sprintf("documents of %s stand against the unique index %s: %s", u.Namespace, u.IndexName, u.Reason))
	}
	return lines, err
}

// constrain makes the destination refuse equal keys, or take them again.
func (v *verifier) constrain(ctx context.Context, on bool) error {
	cols := catalog.NewMap(v.destination, v.spec.MetadataDB)
	if err := cols.Load(ctx); err != nil {
		return err
	}
	if err := v.mayChange(ctx); err != nil {
		return err
	}
	if on {
		return catalog.Constrain(ctx, v.destination, cols)
	}
	return catalog.Relax(ctx, v.destination, cols)
}

// Finalize restores what was put off.
func (a *Activities) Finalize(ctx context.Context, spec migration.Spec) (FinalizeResult, error) {
	return work(ctx, a, spec, func(ctx context.Context, s *session) (FinalizeResult, error) {
		failed, omitted, err := s.restore(ctx)
		return FinalizeResult{Unsuccessful: failed, Omitted: omitted}, err
	})
}

// restore gives the destination what was put off until it was open. What could not be
// restored is listed as far as a list of it may grow, and logged.
func (s *session) restore(ctx context.Context) (failed []migration.UnsuccessfulIndex, omitted int, err error) {
	cols := catalog.NewMap(s.destination, s.spec.MetadataDB)
	if err := cols.Load(ctx); err != nil {
		return nil, 0, err
	}
	err = mongodb.Retry(ctx, s.log, "restore what was put off", func() error {
		// The destination is in use: collections may have other names by now.
		gone, err := cols.Reconcile(ctx)
		if err != nil {
			return err
		}
		for _, c := range gone {
			s.log.Info("dropped by the destination's users: nothing to restore", zap.Stringer("ns", c.NS))
		}
		failed, err = catalog.Restore(ctx, s.destination, cols, func() {})
		return err
	})
	logUnsuccessful(s.log, failed)
	failed, omitted = migration.ListIndexes(failed)
	return failed, omitted, err
}

// ReleaseSource lets writes to the source through again.
func (a *Activities) ReleaseSource(ctx context.Context, spec migration.Spec) error {
	_, err := work(ctx, a, spec, func(ctx context.Context, s *session) (struct{}, error) {
		return struct{}{}, cutover.Unblock(ctx, s.source)
	})
	return err
}
