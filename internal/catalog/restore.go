package catalog

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// Restore brings back what was put off: unique and TTL indexes, the expiry of
// clustered collections, capped limits; and builds again what is missing. It
// gives the indexes that are not as on the source. What the destination's new
// users have dropped meanwhile is theirs to drop. It may run any number of times.
func Restore(ctx context.Context, dst *mongodb.Client, m *Map, progress func()) ([]migration.UnsuccessfulIndex, error) {
	var mu sync.Mutex
	var all []migration.UnsuccessfulIndex
	g, groupCtx := errgroup.WithContext(ctx)
	g.SetLimit(restorers)
	for _, c := range m.All() {
		if !c.HasDocuments() {
			continue
		}
		g.Go(func() error {
			failed, err := restoreCollection(groupCtx, dst, c)
			if err != nil && !isGone(err) {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, failed...)
			progress()
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b migration.UnsuccessfulIndex) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.IndexName, b.IndexName))
	})
	return all, nil
}

// restorers bounds how many collections are restored at once: the destination is in
// use by then.
const restorers = 4

func restoreCollection(ctx context.Context, dst *mongodb.Client, c Collection) ([]migration.UnsuccessfulIndex, error) {
	failed, err := restoreIndexes(ctx, dst, c)
	if err != nil {
		return nil, err
	}
	return failed, restoreLimits(ctx, dst, c)
}

func restoreIndexes(ctx context.Context, dst *mongodb.Client, c Collection) ([]migration.UnsuccessfulIndex, error) {
	have, err := destinationIndexes(ctx, dst, c)
	if err != nil {
		return nil, err
	}
	var failed []migration.UnsuccessfulIndex
	for _, want := range missingFirst(c.secondary(), have) {
		err := restoreIndex(ctx, dst, c, want, have[want.Name])
		switch {
		case isRefusal(err):
			failed = append(failed, unsuccessful(c, want, "failed", err))
		case err != nil:
			return nil, err
		}
	}
	return failed, c.releaseTwins(ctx, dst, have, failed)
}

// missingFirst puts indexes first that are not there: a unique one can be built
// beside its twin only as long as that is a plain one.
func missingFirst(indexes []Index, have map[string]Index) []Index {
	var missing, there []Index
	for _, i := range indexes {
		if have[i.Name].Spec == nil {
			missing = append(missing, i)
		} else {
			there = append(there, i)
		}
	}
	return append(missing, there...)
}

// releaseTwins lets plain indexes take equal keys again that refused them for a
// unique twin, now that it stands itself. Where it could not be built, they go on.
func (c Collection) releaseTwins(ctx context.Context, dst *mongodb.Client, have map[string]Index, failed []migration.UnsuccessfulIndex) error {
	for _, i := range c.secondary() {
		twin, alike := c.plainTwin(i)
		if alike == different || twin.Unique() || twin.preparesUnique() || !have[twin.Name].preparesUnique() || contains(failed, c, i) {
			continue
		}
		if err := prepareUnique(ctx, dst, c, twin.Name, false); err != nil {
			return err
		}
	}
	return nil
}

func contains(list []migration.UnsuccessfulIndex, c Collection, i Index) bool {
	return slices.ContainsFunc(list, func(u migration.UnsuccessfulIndex) bool {
		return u.Namespace == c.NS.String() && u.IndexName == i.Name
	})
}

func destinationIndexes(ctx context.Context, dst *mongodb.Client, c Collection) (map[string]Index, error) {
	there := Collection{UUID: c.Dest, NS: c.NS, Kind: c.Kind}
	exists, err := readIndexes(ctx, dst, &there)
	if err != nil {
		return nil, err
	}
	if !exists {
		return nil, &migration.Fault{Kind: migration.WriteRefused, Err: &mongodb.Error{Side: dst.Name(), Code: mongodb.CodeNamespaceNotFound},
			Message: fmt.Sprintf("%s is gone from the destination: something else changes it", c.NS)}
	}
	have := map[string]Index{}
	for _, i := range there.Indexes {
		have[i.Name] = i
	}
	return have, nil
}

func restoreIndex(ctx context.Context, dst *mongodb.Client, c Collection, want, have Index) error {
	if have.Spec == nil {
		if err := createIndexes(ctx, dst, c, want.final()); err != nil {
			return err
		}
	}
	if want.preparesUnique() {
		if err := collModIndex(ctx, dst, c, want.Name, bson.E{Key: "prepareUnique", Value: true}); err != nil {
			return err
		}
	}
	if have.Spec == nil {
		return nil
	}
	if want.Unique() && !have.Unique() {
		if err := collModIndex(ctx, dst, c, want.Name, bson.E{Key: "prepareUnique", Value: true}); err != nil {
			return err
		}
		if err := collModIndex(ctx, dst, c, want.Name, bson.E{Key: "unique", Value: true}); err != nil {
			return err
		}
	}
	if want.TTL() && !sameNumber(want.Spec.Lookup("expireAfterSeconds"), have.Spec.Lookup("expireAfterSeconds")) {
		return collModIndex(ctx, dst, c, want.Name,
			bson.E{Key: "expireAfterSeconds", Value: want.Spec.Lookup("expireAfterSeconds")})
	}
	return nil
}

func collModIndex(ctx context.Context, dst *mongodb.Client, c Collection, name string, change bson.E, extra ...bson.E) error {
	cmd := bson.D{
		{Key: "collMod", Value: c.Storage()},
		{Key: "index", Value: bson.D{{Key: "name", Value: name}, change}}, c.Itself(),
	}
	cmd = append(cmd, extra...)
	if _, err := dst.Run(ctx, c.NS.DB, append(cmd, mongodb.Durable())); err != nil {
		return fmt.Errorf("change index %s of %s: %w", name, c.NS, err)
	}
	return nil
}

// restoreLimits brings back the expiry of a clustered collection and the size
// and number of documents of a capped one.
func restoreLimits(ctx context.Context, dst *mongodb.Client, c Collection) error {
	cmd := bson.D{{Key: "collMod", Value: c.Storage()}, c.Itself()}
	if expire, err := c.Options.LookupErr("expireAfterSeconds"); err == nil {
		cmd = append(cmd, bson.E{Key: "expireAfterSeconds", Value: expire})
	}
	if c.Capped() {
		cmd = append(cmd, bson.E{Key: "cappedSize", Value: c.Options.Lookup("size")})
		if limit, err := c.Options.LookupErr("max"); err == nil {
			cmd = append(cmd, bson.E{Key: "cappedMax", Value: limit})
		}
	}
	if len(cmd) == 2 {
		return nil
	}
	if _, err := dst.Run(ctx, c.NS.DB, append(cmd, mongodb.Durable())); err != nil {
		return fmt.Errorf("restore the limits of %s: %w", c.NS, err)
	}
	return nil
}

// sameNumber compares values of any numeric type; a missing value equals none.
func sameNumber(a, b bson.RawValue) bool {
	x, okX := a.AsFloat64OK()
	y, okY := b.AsFloat64OK()
	return okX && okY && x == y
}
