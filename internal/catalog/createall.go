package catalog

import (
	"context"
	"maps"
	"slices"
	"sync"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// creators bounds how many collections are created at once.
const creators = 4

// Create is CreateAll on the map's cluster. The map has the collections before, so that
// what an interrupted attempt has made is known as ours, and with their UUIDs after.
func (m *Map) Create(ctx context.Context, cols []Collection) error {
	if err := m.Put(ctx, cols...); err != nil {
		return err
	}
	cols = slices.Clone(cols)
	if err := CreateAll(ctx, m.dst, cols); err != nil {
		return err
	}
	return m.Put(ctx, cols...)
}

// CreateAll is Create for many, which get their UUIDs in place; views come last, since
// they may refer to any. Their databases are listed before and after, not each
// collection.
func CreateAll(ctx context.Context, dst *mongodb.Client, cols []Collection) error {
	for _, c := range cols {
		if err := c.creatable(); err != nil {
			return err
		}
	}
	for _, kind := range []Kind{KindCollection, KindTimeseries, KindView} {
		var these []*Collection
		for i := range cols {
			if cols[i].Kind == kind {
				these = append(these, &cols[i])
			}
		}
		if err := createThese(ctx, dst, these); err != nil {
			return err
		}
	}
	return nil
}

func createThese(ctx context.Context, dst *mongodb.Client, these []*Collection) error {
	before, err := listFor(ctx, dst, these)
	if err != nil {
		return err
	}
	err = eachAtOnce(ctx, creators, these, func(ctx context.Context, c *Collection) (err error) {
		if have, ok := before[c.target()]; ok {
			c.Dest, err = keep(ctx, dst, *c, have)
			return err
		}
		return c.create(ctx, dst)
	})
	if err != nil {
		return err
	}
	var made []*Collection
	for _, c := range these {
		if _, kept := before[c.target()]; !kept && c.HasDocuments() {
			made = append(made, c)
		}
	}
	after, err := listFor(ctx, dst, made)
	if err != nil {
		return err
	}
	return eachAtOnce(ctx, creators, made, func(ctx context.Context, c *Collection) (err error) {
		var have *Collection
		if found, ok := after[c.target()]; ok {
			have = &found
		}
		c.Dest, err = c.created(ctx, dst, have)
		return err
	})
}

// listFor lists the databases of collections, by name and without indexes.
func listFor(ctx context.Context, c *mongodb.Client, cols []*Collection) (map[migration.Namespace]Collection, error) {
	dbs := map[string]bool{}
	for _, col := range cols {
		dbs[col.NS.DB] = true
	}
	var mu sync.Mutex
	have := map[migration.Namespace]Collection{}
	err := eachAtOnce(ctx, creators, slices.Collect(maps.Keys(dbs)), func(ctx context.Context, db string) error {
		found, err := list(ctx, c, db, nil)
		mu.Lock()
		defer mu.Unlock()
		for _, col := range found {
			have[col.NS] = col
		}
		return err
	})
	return have, err
}
