package activities

import (
	"context"
	"fmt"
	"sync"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/partition"
)

// builders bounds how many collections of a bundle have their indexes built at once.
// Those of a bundle are small: a build of theirs is mostly waiting for a majority. A
// large collection is a bundle of its own.
const builders = 4

// BuildIndexes publishes the collections of one bundle, which are copied now, and builds
// their indexes.
func (a *Activities) BuildIndexes(ctx context.Context, in IndexInput) (IndexResult, error) {
	return work(ctx, a, in.Spec, func(ctx context.Context, s *session) (IndexResult, error) {
		bundle, err := partition.LoadBundle(ctx, s.destination, in.Spec.MetadataDB, in.Unit)
		if err != nil {
			return IndexResult{}, err
		}
		b := indexing{session: s, cols: catalog.NewMap(s.destination, in.Spec.MetadataDB)}
		if err := b.cols.LoadSome(ctx, bundle.Collections()); err != nil {
			return IndexResult{}, err
		}
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(builders)
		for _, uuid := range bundle.Collections() {
			group.Go(func() error { return b.collection(groupCtx, uuid) })
		}
		err = group.Wait()
		b.result.Unsuccessful, b.result.Omitted = migration.ListIndexes(b.result.Unsuccessful)
		return b.result, err
	})
}

// indexing is a bundle on its way.
type indexing struct {
	*session
	cols   *catalog.Map
	mu     sync.Mutex
	result IndexResult
}

// collection publishes one collection and builds its indexes, and writes down what the
// destination refuses.
func (b *indexing) collection(ctx context.Context, uuid catalog.UUID) error {
	c, ok := b.cols.ByUUID(uuid)
	if !ok {
		return migration.NewFault(migration.WriteRefused,
			fmt.Sprintf("collection %s of the plan is not in the catalog map: was the metadata database changed?", uuid))
	}
	err := mongodb.Retry(ctx, b.log, "publish "+c.NS.String(), func() (err error) {
		c, err = b.cols.Publish(ctx, c)
		return err
	})
	if err != nil {
		return err
	}
	var failed []migration.UnsuccessfulIndex
	err = mongodb.Retry(ctx, b.log, "build the indexes of "+c.NS.String(), func() (err error) {
		failed, err = catalog.BuildIndexes(ctx, b.destination, c)
		return err
	})
	if err != nil {
		return err
	}
	logUnsuccessful(b.log, failed)
	if len(failed) > 0 {
		c.MarkFailed(failed)
		if err := b.cols.Put(ctx, c); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.result.Unsuccessful = append(b.result.Unsuccessful, failed...)
	b.result.Built += int64(c.IndexesDuringSync() - len(failed))
	b.report(nil, migration.Live{IndexesBuilt: b.result.Built})
	return nil
}

// logUnsuccessful has all of them where the status lists the first.
func logUnsuccessful(log *zap.Logger, indexes []migration.UnsuccessfulIndex) {
	for _, i := range indexes {
		log.Warn("index is not as on the source", zap.String("ns", i.Namespace), zap.String("index", i.IndexName), zap.String("reason", i.Reason))
	}
}
