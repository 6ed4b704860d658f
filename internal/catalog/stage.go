package catalog

import (
	"context"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// stagePrefix begins the name that a collection has while it is staged; its UUID on the
// source follows.
const stagePrefix = "mongoferry.copying."

// Stageable says whether a collection can be copied under another name.
func (c Collection) Stageable() bool {
	return c.Kind == KindCollection && !c.Capped() && !strings.HasPrefix(c.NS.Collection, "system.")
}

// target is what the counterpart is called on the destination.
func (c Collection) target() migration.Namespace {
	if c.Staged {
		return c.stage()
	}
	return c.NS
}

func (c Collection) stage() migration.Namespace {
	return migration.Namespace{DB: c.NS.DB, Collection: stagePrefix + c.UUID.String()}
}

// CopyName is the name of the collection that the copy inserts into.
func (c Collection) CopyName() string {
	if c.Staged {
		return c.target().Collection
	}
	return c.Storage()
}

// Publish gives a staged collection its name, once all of it is copied. Inserts of the
// copy carry no transaction number, which would cost as much as a sixth of the copy:
// they can be done twice, since an _id that is there already is left alone, but one that
// comes late would bring back what the change stream has deleted meanwhile. It finds
// nothing under the old name, and the server refuses it. Run again, Publish changes
// nothing.
func (m *Map) Publish(ctx context.Context, c Collection) (Collection, error) {
	if !c.Staged {
		return c, nil
	}
	if err := publish(ctx, m.dst, c); err != nil {
		return c, err
	}
	// Nothing else of the entry, and of no other, should this come late.
	err := m.write(ctx, bson.D{{Key: "update", Value: mapCollection}, {Key: "updates", Value: bson.A{bson.D{
		{Key: "q", Value: bson.D{{Key: "_id", Value: entryID(c)}, {Key: "dest", Value: c.Dest[:]}}},
		{Key: "u", Value: bson.D{{Key: "$unset", Value: bson.D{{Key: "staged", Value: 1}}}}},
	}}}})
	if err != nil {
		return c, err
	}
	c.Staged = false
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set(c)
	return c, nil
}

// DropStaged drops the collections that are staged: nobody else knows what they are.
func (m *Map) DropStaged(ctx context.Context) error {
	var staged []*Collection
	for _, c := range m.All() {
		if c.Staged {
			staged = append(staged, &c)
		}
	}
	have, err := listFor(ctx, m.dst, staged)
	if err != nil {
		return err
	}
	return eachAtOnce(ctx, creators, staged, func(ctx context.Context, c *Collection) error {
		if _, there := have[c.target()]; !there {
			return nil
		}
		return Drop(ctx, m.dst, *c)
	})
}

func publish(ctx context.Context, dst *mongodb.Client, c Collection) error {
	_, err := dst.Run(ctx, "admin", bson.D{
		{Key: "renameCollection", Value: c.target().String()}, {Key: "to", Value: c.NS.String()}, c.Itself(), mongodb.Durable(),
	})
	switch {
	case isGone(err):
		return published(ctx, dst, c)
	case mongodb.Code(err) == mongodb.CodeNamespaceExists:
		// It is nobody's to drop: the step is tried again until somebody has moved it.
		return fmt.Errorf("give %s its name: something else has made %s on the destination meanwhile: rename or drop it there, and the migration goes on",
			c.NS, c.NS)
	case err != nil:
		return fmt.Errorf("give %s its name: %w", c.NS, err)
	}
	return nil
}

// published looks where a collection is that is not under its staging name.
func published(ctx context.Context, dst *mongodb.Client, c Collection) error {
	var have []Collection
	err := mongodb.Steady(ctx, dst, func() (err error) {
		have, err = list(ctx, dst, c.NS.DB, bson.D{{Key: "info.uuid", Value: c.Dest.Binary()}})
		return err
	})
	switch {
	case err != nil:
		return err
	case len(have) == 0:
		return migration.NewFault(migration.WriteRefused, fmt.Sprintf(
			"what was copied of %s is gone from the destination (%s): something else changes the destination", c.NS, c.target()))
	case have[0].NS != c.NS: // an election may have taken it back
		return fmt.Errorf("give %s its name: on the destination it is called %s: if it stays so, rename it to %s", c.NS, have[0].NS, c.NS)
	}
	return nil // an earlier attempt did it
}
