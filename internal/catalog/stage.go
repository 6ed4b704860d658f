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
	// Nothing else of the entry, which may be another by now.
	err := m.write(ctx, bson.D{{Key: "update", Value: mapCollection}, {Key: "updates", Value: bson.A{bson.D{
		{Key: "q", Value: bson.D{{Key: "_id", Value: entryID(c)}}},
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
	for _, c := range m.All() {
		if !c.Staged {
			continue
		}
		if err := Drop(ctx, m.dst, c); err != nil {
			return err
		}
	}
	return nil
}

func publish(ctx context.Context, dst *mongodb.Client, c Collection) error {
	_, err := dst.Run(ctx, "admin", bson.D{
		{Key: "renameCollection", Value: c.target().String()}, {Key: "to", Value: c.NS.String()}, c.Itself(), mongodb.Durable(),
	})
	if !isGone(err) && mongodb.Code(err) != mongodb.CodeNamespaceExists {
		if err != nil {
			return fmt.Errorf("give %s its name: %w", c.NS, err)
		}
		return nil
	}
	have, findErr := Find(ctx, dst, c.NS)
	switch {
	case findErr != nil:
		return findErr
	case have == nil:
		return mongodb.Refusal(migration.WriteRefused, "give "+c.NS.String()+" its name", err)
	case have.UUID != c.Dest:
		return strangerAt(c.NS)
	}
	return nil // by an earlier attempt
}
