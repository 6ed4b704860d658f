package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"mongoferry/internal/catalog"
	"mongoferry/internal/initialsync"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/ownership"
	"mongoferry/internal/partition"
	"mongoferry/workflows"
)

// jobCopy is the copy without Temporal.
const jobCopy = "copy"

// copyMemory bounds what is held of batches under way, as in a worker.
const copyMemory = 96 << 20

func workflowInput(spec migration.Spec) workflows.Input { return workflows.Input{Spec: spec} }

func connectBoth(source, destination string) (src, dst *mongodb.Client, err error) {
	if src, err = mongodb.Connect("source", migration.Endpoint{URI: source}); err != nil {
		return nil, nil, err
	}
	dst, err = mongodb.Connect("destination", migration.Endpoint{URI: destination})
	return src, dst, err
}

// copyAlone does with the engine alone what the activities of a migration do up to the
// end of the copy.
func copyAlone(ctx context.Context, src, dst *mongodb.Client, id string) (outcome, error) {
	ledger := ownership.NewLedger(dst, metadata, id)
	if err := ledger.Claim(ctx, "source", "run"); err != nil {
		return outcome{}, err
	}
	filter, err := benchFilter()
	if err != nil {
		return outcome{}, err
	}
	start, err := catalog.ReadConsistent(ctx, src, filter)
	if err != nil {
		return outcome{}, err
	}
	cols := catalog.NewMap(dst, metadata)
	units, totals, err := partition.Plan(ctx, src, start.Collections)
	if err != nil {
		return outcome{}, err
	}
	if err := cols.Create(ctx, partition.Stage(start.Collections, units)); err != nil {
		return outcome{}, err
	}
	if err := partition.Store(ctx, dst, metadata, units); err != nil {
		return outcome{}, err
	}
	e := engine{src: src, dst: dst, ledger: ledger, cols: cols, after: start.OpTime, memory: semaphore.NewWeighted(copyMemory)}
	started := time.Now()
	if err := e.copyUnits(ctx, units); err != nil {
		return outcome{}, err
	}
	copied := time.Now()
	if err := e.build(ctx); err != nil {
		return outcome{}, err
	}
	return outcome{
		Seconds: copied.Sub(started).Seconds(), IndexSeconds: time.Since(copied).Seconds(), Documents: totals.Documents,
	}, nil
}

// engine is what the copy of a unit needs.
type engine struct {
	src, dst *mongodb.Client
	ledger   *ownership.Ledger
	cols     *catalog.Map
	after    migration.OpTime
	memory   *semaphore.Weighted
}

func (e engine) copyUnits(ctx context.Context, units []partition.Unit) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(copiers)
	for _, u := range units {
		group.Go(func() error { return e.copyUnit(ctx, u) })
	}
	return group.Wait()
}

func (e engine) copyUnit(ctx context.Context, u partition.Unit) error {
	attempt, err := e.ledger.Begin(ctx, "")
	if err != nil {
		return err
	}
	name := attempt.SlotName(fmt.Sprintf("copy %d", u.ID))
	slots := []*mongodb.Slot{mongodb.NewSlot(e.dst, zap.NewNop(), metadata, name, attempt.Epoch)}
	for _, p := range u.Parts {
		_, err := initialsync.Copy(ctx, initialsync.Task{
			Source: e.src, Destination: e.dst, Log: zap.NewNop(), Map: e.cols, Part: p, After: e.after, Slots: slots, Memory: e.memory,
			Progress: func(initialsync.Progress) {},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (e engine) build(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(builders)
	for _, c := range e.cols.All() {
		group.Go(func() error {
			c, err := e.cols.Publish(ctx, c)
			if err != nil {
				return err
			}
			failed, err := catalog.BuildIndexes(ctx, e.dst, c)
			if err == nil && len(failed) > 0 {
				err = errors.New(failed[0].Reason)
			}
			return err
		})
	}
	return group.Wait()
}
