package catalog

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// BuildIndexes builds all secondary indexes of a collection in one scan, in the
// form for the time of the sync. Where the documents do not allow that, they are
// built one by one and those that fail are returned; other errors are errors.
func BuildIndexes(ctx context.Context, dst *mongodb.Client, c Collection) ([]migration.UnsuccessfulIndex, error) {
	var specs []bson.Raw
	var built []Index
	for _, i := range c.secondary() {
		if i.Unique() && c.hasPlainTwin(i) {
			continue // built by Restore
		}
		specs = append(specs, i.forSync())
		built = append(built, i)
	}
	err := createIndexes(ctx, dst, c, specs...)
	if !isRefusal(err) {
		return nil, err
	}
	var failed []migration.UnsuccessfulIndex
	for n, spec := range specs {
		err := createIndexes(ctx, dst, c, spec)
		switch {
		case isRefusal(err):
			failed = append(failed, unsuccessful(c, built[n], "failed", err))
		case err != nil:
			return failed, err
		}
	}
	return failed, nil
}

// commitQuorum is how many members of the destination must have built an index
// before it is there: as many as every other write waits for. The server's own
// default, all of them, would wait for a member that is down, and polls.
var commitQuorum = bson.E{Key: "commitQuorum", Value: "majority"}

func createIndexes(ctx context.Context, dst *mongodb.Client, c Collection, specs ...bson.Raw) error {
	if len(specs) == 0 {
		return nil
	}
	_, err := dst.Run(ctx, c.NS.DB, bson.D{
		{Key: "createIndexes", Value: c.Storage()}, {Key: "indexes", Value: specs}, c.Itself(), commitQuorum, mongodb.Durable(),
	})
	if err != nil {
		return fmt.Errorf("create indexes of %s: %w", c.NS, err)
	}
	return nil
}

// isRefusal says whether the server refuses the index itself, not this attempt.
func isRefusal(err error) bool {
	var e *mongodb.Error
	return errors.As(err, &e) && migration.KindOf(err) == "" && !mongodb.IsTransient(err) && !isGone(err) &&
		e.Code != mongodb.CodeUserWritesBlocked
}

func unsuccessful(c Collection, i Index, kind string, cause error) migration.UnsuccessfulIndex {
	keys := map[string]any{}
	if elements, err := i.key().Elements(); err == nil {
		for _, e := range elements {
			keys[e.Key()] = e.Value().String()
		}
	}
	return migration.UnsuccessfulIndex{
		Namespace: c.NS.String(), IndexName: i.Name, Type: kind, Keys: keys, Reason: migration.Redact(cause.Error()),
	}
}
