package activities

import (
	"context"
	"fmt"

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
		if err != nil && migration.KindOf(err) != migration.AccessDenied {
			return result, err
		}
		for _, ns := range builds {
			result.Refusals = append(result.Refusals, "an index of "+ns+" is being built on the source: wait for it")
		}
		cols := catalog.NewMap(s.destination, spec.MetadataDB)
		if err := cols.Load(ctx); err != nil {
			return result, err
		}
		result.UnsuccessfulIndexes, err = catalog.UniqueViolations(ctx, s.destination, cols)
		for _, v := range result.UnsuccessfulIndexes {
			result.Refusals = append(result.Refusals, fmt.Sprintf("documents of %s stand against the unique index %s: %s", v.Namespace, v.IndexName, v.Reason))
		}
		return result, err
	})
}

// CutOver fences the source, applies the last changes and opens the
// destination, or backs out. Cancelled before the point of no return it backs
// out, after it it completes.
func (a *Activities) CutOver(ctx context.Context, in CutoverInput) (CutoverResult, error) {
	return work(ctx, a, in.Spec, func(ctx context.Context, s *session) (CutoverResult, error) {
		epoch, err := s.ledger.Acquire(ctx, ownership.LaneCutover)
		if err != nil {
			return CutoverResult{}, err
		}
		d := &drain{}
		if d.applying, err = s.startApplying(ctx, in.From, d.note); err != nil {
			return CutoverResult{}, err
		}
		ungated, err := a.client("destination", in.Spec.Destination)
		if err != nil {
			return CutoverResult{}, err
		}
		out, err := cutover.Run(ctx, cutover.Config{
			Source: s.source, Destination: s.destination, Ledger: s.ledger,
			UndoLedger: ownership.NewLedger(ungated, in.Spec.MetadataDB, in.Spec.ID),
			Epoch:      epoch, Log: s.log, Mode: in.Spec.SourceWrites, Timeout: in.Spec.CutoverTimeout, Request: in.Request,
			Drain: d, Verify: s.verify, Constrain: s.constrain,
		})
		return CutoverResult{
			Completed: out.Completed, Reason: out.Reason, Position: d.position, StartedAt: out.StartedAt, FencedAt: out.FencedAt,
			WritesAcceptedAt: out.WritesAcceptedAt, SourceBlocked: out.Completed && in.Spec.SourceWrites == migration.BlockWrites,
		}, err
	})
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

// verify compares catalogs and counts; the documents' bytes are compared by a
// later version of the tool.
func (s *session) verify(ctx context.Context) ([]string, error) {
	filter, err := filterOf(s.spec)
	if err != nil {
		return nil, err
	}
	diffs, err := catalog.Compare(ctx, s.source, s.destination, filter)
	lines := make([]string, len(diffs))
	for i, d := range diffs {
		lines[i] = d.String()
	}
	return lines, err
}

func (s *session) constrain(ctx context.Context, on bool) error {
	cols := catalog.NewMap(s.destination, s.spec.MetadataDB)
	if err := cols.Load(ctx); err != nil {
		return err
	}
	return catalog.PrepareUnique(ctx, s.destination, cols, on)
}

// Finalize restores what was put off.
func (a *Activities) Finalize(ctx context.Context, spec migration.Spec) (FinalizeResult, error) {
	return work(ctx, a, spec, func(ctx context.Context, s *session) (FinalizeResult, error) {
		cols := catalog.NewMap(s.destination, spec.MetadataDB)
		if err := cols.Load(ctx); err != nil {
			return FinalizeResult{}, err
		}
		var failed []migration.UnsuccessfulIndex
		err := mongodb.Retry(ctx, s.log, "restore what was put off", func() error {
			var err error
			failed, err = catalog.Restore(ctx, s.destination, cols, func() {})
			return err
		})
		return FinalizeResult{Unsuccessful: failed}, err
	})
}

// ReleaseSource lets writes to the source through again.
func (a *Activities) ReleaseSource(ctx context.Context, spec migration.Spec) error {
	_, err := work(ctx, a, spec, func(ctx context.Context, s *session) (struct{}, error) {
		return struct{}{}, cutover.Unblock(ctx, s.source)
	})
	return err
}
