package bench

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/devstack"
)

// firstDocument measures how long it takes from the start of a migration until the
// destination holds a document: checks, claim, start point, catalog and plan.
func (s *suite) firstDocument(ctx context.Context, prefix string) error {
	return s.with(ctx, prefix, devstack.ReplicaSetOptions{}, func(r *rig, f *figures) error {
		if err := fill(ctx, r.source, collection, oneKB(s.scaled(100_000))); err != nil {
			return err
		}
		return s.repeat(f, "first_document", time.Minute, func(int) error {
			took, err := r.untilFirst(ctx)
			f.add("first_document", took.Seconds(), "s", nil, "from the start of a workflow until the destination holds a document")
			return err
		})
	})
}

func (r *rig) untilFirst(ctx context.Context) (time.Duration, error) {
	if err := r.reset(ctx); err != nil {
		return 0, err
	}
	c, err := r.hire(ctx, 1)
	if err != nil {
		return 0, err
	}
	v, err := r.begin(ctx, c, r.src.URI(), r.dst.URI())
	if err != nil {
		return 0, c.failed(err)
	}
	if err := r.awaitFirst(ctx); err != nil {
		return 0, c.failed(err)
	}
	return time.Since(v.started), r.abandon(ctx, v, c)
}

func (r *rig) awaitFirst(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, workerPatience)
	defer cancel()
	for {
		// Under whatever name.
		reply, err := r.destination.Run(ctx, database, bson.D{{Key: "dbStats", Value: 1}})
		if err != nil {
			return err
		}
		if n, _ := reply.Lookup("objects").AsInt64OK(); n > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}
