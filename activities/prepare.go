package activities

import (
	"context"
	"fmt"
	"strings"

	"go.temporal.io/sdk/activity"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
	"mongoferry/internal/namespace"
	"mongoferry/internal/ownership"
	"mongoferry/internal/partition"
)

// Claim makes the migration the owner of the destination.
func (a *Activities) Claim(ctx context.Context, spec migration.Spec) error {
	_, err := work(ctx, a, spec, func(ctx context.Context, s *session) (struct{}, error) {
		return struct{}{}, s.ledger.Claim(ctx, s.source.Address().Hosts(), activity.GetInfo(ctx).WorkflowExecution.RunID)
	})
	return err
}

// Prepare fixes the start point, creates the collections on the destination and
// plans the copy. Run again, it removes what the attempt before has made and
// begins from the top.
func (a *Activities) Prepare(ctx context.Context, spec migration.Spec) (Plan, error) {
	return work(ctx, a, spec, func(ctx context.Context, s *session) (Plan, error) {
		p, err := newPreparation(ctx, s)
		if err != nil {
			return Plan{}, err
		}
		return p.run(ctx)
	})
}

type preparation struct {
	*session
	epoch  int64
	filter namespace.Filter
	cols   *catalog.Map
}

func newPreparation(ctx context.Context, s *session) (*preparation, error) {
	filter, err := filterOf(s.spec)
	if err != nil {
		return nil, err
	}
	attempt, err := s.ledger.Begin(ctx, ownership.LanePrepare)
	return &preparation{session: s, epoch: attempt.Epoch, filter: filter, cols: catalog.NewMap(s.destination, s.spec.MetadataDB)}, err
}

func filterOf(spec migration.Spec) (namespace.Filter, error) {
	filter, err := namespace.Parse(spec.Include, spec.Exclude, spec.MetadataDB)
	if err != nil {
		return filter, &migration.Fault{Kind: migration.BadConfiguration, Message: "read the filter", Err: err}
	}
	return filter, nil
}

func (p *preparation) run(ctx context.Context) (Plan, error) {
	if err := p.undoFormerAttempt(ctx); err != nil {
		return Plan{}, err
	}
	start, err := catalog.ReadConsistent(ctx, p.source, p.filter)
	if err != nil {
		return Plan{}, err
	}
	units, totals, err := partition.Plan(ctx, p.source, start.Collections)
	if err != nil {
		return Plan{}, err
	}
	if err := p.makeRoom(ctx, start.Collections); err != nil {
		return Plan{}, err
	}
	cols := partition.Stage(start.Collections, units)
	if err := p.cols.Create(ctx, cols); err != nil {
		return Plan{}, err
	}
	if err := p.check(ctx); err != nil {
		return Plan{}, err
	}
	if err := partition.Store(ctx, p.destination, p.spec.MetadataDB, units); err != nil {
		return Plan{}, err
	}
	bundles := partition.Bundles(cols, units)
	if err := partition.StoreBundles(ctx, p.destination, p.spec.MetadataDB, bundles); err != nil {
		return Plan{}, err
	}
	return Plan{
		Start: Position{ResumeToken: start.ResumeToken, OpTime: start.OpTime}, Units: len(units), IndexUnits: len(bundles),
		Namespaces: totals.Namespaces, Documents: totals.Documents, Bytes: totals.Bytes, Indexes: totals.Indexes,
	}, nil
}

func (p *preparation) check(ctx context.Context) error {
	return p.ledger.Check(ctx, ownership.LanePrepare, p.epoch)
}

// undoFormerAttempt drops what the map says was made here before. An entry is
// written before its collection is created, so none is missed; one without a
// counterpart yet is ours too, since the name was free when it was written.
func (p *preparation) undoFormerAttempt(ctx context.Context) error {
	if err := p.cols.Load(ctx); err != nil {
		return err
	}
	for _, c := range p.cols.All() {
		if err := p.check(ctx); err != nil {
			return err
		}
		if err := catalog.Drop(ctx, p.destination, c); err != nil {
			return err
		}
		if err := p.cols.Remove(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// makeRoom deletes existing data where that was asked for, and refuses otherwise.
func (p *preparation) makeRoom(ctx context.Context, wanted []catalog.Collection) error {
	conflicts, err := catalog.Conflicts(ctx, p.destination, wanted)
	if err != nil || len(conflicts) == 0 {
		return err
	}
	if !p.spec.DropDestination {
		names := make([]string, 0, 3)
		for _, c := range conflicts[:min(3, len(conflicts))] {
			names = append(names, c.NS.String())
		}
		return migration.NewFault(migration.PreflightFailed, fmt.Sprintf(
			"the destination already holds %d of the namespaces to be migrated (%s): drop them, exclude them, or give --drop-destination",
			len(conflicts), strings.Join(names, ", ")))
	}
	for _, c := range conflicts {
		if err := p.check(ctx); err != nil {
			return err
		}
		if err := catalog.Drop(ctx, p.destination, c); err != nil {
			return err
		}
	}
	return nil
}
