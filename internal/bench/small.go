package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

const (
	// smallDocuments is how many documents of 200 bytes a small collection holds.
	smallDocuments = 20
	smallLimit     = 7 * time.Minute
)

// smallCollections measures thousands of small collections, each with an index,
// against the commands that they cannot do without.
func (s *suite) smallCollections(ctx context.Context) error {
	n := int(s.scaled(10_000))
	return s.with(ctx, "copy.collections.", devstack.ReplicaSetOptions{FewFiles: true}, func(r *rig, f *figures) error {
		if _, err := makeCollections(ctx, r.source, n); err != nil {
			return err
		}
		return s.repeat(f, "ratio", smallLimit, func(turn int) error {
			var best smallBest
			var tool smallTool
			steps := []func() error{
				func() (err error) {
					if err = r.reset(ctx); err == nil {
						best, err = makeCollections(ctx, r.destination, n)
					}
					return err
				},
				func() (err error) { tool, err = r.smallTool(ctx); return err },
			}
			for i := range steps {
				if err := steps[(i+turn)%len(steps)](); err != nil {
					return err
				}
				if err := holds(ctx, r.destination, int64(n*smallDocuments)); err != nil {
					return err
				}
			}
			f.add("ratio", per(best.all().Seconds(), tool.all.Seconds()), "of bare commands", atLeast(0.8),
				"collections a second, by those of bare create, insert and createIndexes commands")
			f.add("rate", rate(int64(n), tool.all), "collections/s", nil, "from the start of the preparation to the last index")
			f.add("bare", rate(int64(n), best.all()), "collections/s", nil, "bare create, insert and createIndexes, four side by side")
			f.add("bare_create", rate(int64(n), best.create), "collections/s", nil, "the bare create commands alone")
			f.add("prepare", tool.prepare.Seconds(), "s", nil, "the tool reads the catalog, creates and plans")
			f.add("copy", tool.copy.Seconds(), "s", nil, "the tool copies")
			f.add("indexes", tool.indexes.Seconds(), "s", nil, "the tool builds the indexes")
			f.add("worker_memory", tool.memory, "MB", atMost(256), "the most memory that the worker had in use")
			return nil
		})
	})
}

// smallBest is how long the bare commands take.
type smallBest struct{ create, insert, index time.Duration }

func (b smallBest) all() time.Duration { return b.create + b.insert + b.index }

// makeCollections makes collections in the steps in which the tool makes them: all are
// created, then filled, then indexed.
func makeCollections(ctx context.Context, c *mongodb.Client, n int) (b smallBest, err error) {
	documents, _ := newMaker(1, 200).array(0, smallDocuments)
	steps := []struct {
		took *time.Duration
		do   func(context.Context, migration.Namespace) error
	}{
		{&b.create, func(ctx context.Context, ns migration.Namespace) error { return create(ctx, c, ns) }},
		{&b.insert, func(ctx context.Context, ns migration.Namespace) error {
			return insert(ctx, c, ns, documents, durable)
		}},
		{&b.index, func(ctx context.Context, ns migration.Namespace) error {
			return buildIndexes(ctx, c, ns, []bson.D{{{Key: "customer", Value: 1}}})
		}},
	}
	for _, s := range steps {
		started := time.Now()
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(copiers)
		for i := range n {
			group.Go(func() error {
				return s.do(groupCtx, migration.Namespace{DB: database, Collection: fmt.Sprintf("c%05d", i)})
			})
		}
		if err := group.Wait(); err != nil {
			return b, err
		}
		*s.took = time.Since(started)
	}
	return b, nil
}

// smallTool is how long the tool takes for the same.
type smallTool struct {
	prepare, copy, indexes, all time.Duration
	memory                      float64
}

func (r *rig) smallTool(ctx context.Context) (t smallTool, err error) {
	if err := r.reset(ctx); err != nil {
		return t, err
	}
	c, err := r.hire(ctx, 1)
	if err != nil {
		return t, err
	}
	v, err := r.begin(ctx, c, r.src.URI(), r.dst.URI())
	if err != nil {
		return t, c.failed(err)
	}
	if err := v.follow(scheduled(actApply, 1)); err != nil {
		return t, c.failed(err)
	}
	if t.memory, err = peakMemory(c.workers[0]); err != nil {
		return t, errors.Join(err, c.dismiss())
	}
	t.prepare, t.copy, t.indexes = v.took(actPrepare), v.took(actCopy), v.took(actIndex)
	from, _ := v.span(actPrepare)
	t.all = v.copied().Sub(from)
	return t, r.abandon(ctx, v, c)
}
