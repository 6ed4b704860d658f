package catalog

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// Changer carries catalog changes of the source out on the destination and
// keeps the map true. Each of its methods may run again after it was
// interrupted; the caller sees to it that no other attempt is at work.
type Changer struct {
	Destination *mongodb.Client
	Map         *Map
}

// Create makes a collection or view. c.Options is what the create event
// described. An entry without a counterpart is written first, so that a second
// run knows its own work.
func (ch *Changer) Create(ctx context.Context, c Collection) error {
	if known, ok := ch.Map.ByUUID(c.UUID); ok && !known.Dest.IsZero() {
		return nil
	}
	if !c.UUID.IsZero() {
		have, err := Find(ctx, ch.Destination, c.NS)
		if err != nil {
			return err
		}
		if _, begun := ch.Map.ByUUID(c.UUID); begun && have != nil && !ch.Map.ownsDest(have.UUID) {
			c.Dest = have.UUID
		}
	} else if err := Drop(ctx, ch.Destination, c.NS); err != nil {
		return err // a view is made anew: it holds no data
	}
	if err := ch.Map.Put(ctx, c); err != nil {
		return err
	}
	dest, err := Create(ctx, ch.Destination, c)
	if err != nil {
		return err
	}
	c.Dest = dest
	return ch.Map.Put(ctx, c)
}

// Drop drops the counterpart of a collection, by what the map says it is.
func (ch *Changer) Drop(ctx context.Context, c Collection) error {
	if c.Kind != KindView {
		have, err := Find(ctx, ch.Destination, c.NS)
		if err != nil {
			return err
		}
		if have != nil && have.UUID != c.Dest {
			// The name belongs to another collection already.
			return ch.Map.Remove(ctx, c)
		}
	}
	if err := Drop(ctx, ch.Destination, c.NS); err != nil {
		return err
	}
	return ch.Map.Remove(ctx, c)
}

// Rename moves the counterpart of a collection to another name, dropping what
// the source dropped there.
func (ch *Changer) Rename(ctx context.Context, c Collection, to migration.Namespace, dropped UUID) error {
	target, err := Find(ctx, ch.Destination, to)
	if err != nil {
		return err
	}
	if target == nil || target.UUID != c.Dest {
		_, err := ch.Destination.Run(ctx, "admin", bson.D{
			{Key: "renameCollection", Value: c.NS.String()}, {Key: "to", Value: to.String()},
			{Key: "dropTarget", Value: !dropped.IsZero()}, mongodb.Durable(),
		})
		if err != nil {
			return fmt.Errorf("rename %s to %s: %w", c.NS, to, err)
		}
	}
	c.NS = to
	if err := ch.Map.Put(ctx, c); err != nil {
		return err
	}
	if old, ok := ch.Map.ByUUID(dropped); ok {
		return ch.Map.Remove(ctx, old)
	}
	return nil
}

// CreateIndexes builds indexes in the form for the sync. One that the documents
// do not allow is built again, or reported, at the end.
func (ch *Changer) CreateIndexes(ctx context.Context, c Collection, specs []bson.Raw) error {
	var added Collection
	added.NS, added.Kind, added.Dest = c.NS, c.Kind, c.Dest
	for _, spec := range specs {
		name, _ := spec.Lookup("name").StringValueOK()
		index := Index{Name: name, Spec: spec}
		if old, err := c.index(name); err == nil {
			old.Spec = spec
		} else {
			c.Indexes = append(c.Indexes, index)
		}
		if !index.Unique() || !c.hasPlainTwin(index) {
			added.Indexes = append(added.Indexes, index)
		}
	}
	if err := ch.Map.Put(ctx, c); err != nil {
		return err
	}
	_, err := BuildIndexes(ctx, ch.Destination, added)
	return err
}

// DropIndexes drops indexes by name; one that is not there is fine.
func (ch *Changer) DropIndexes(ctx context.Context, c Collection, names []string) error {
	for _, name := range names {
		_, err := ch.Destination.Run(ctx, c.NS.DB, bson.D{
			{Key: "dropIndexes", Value: c.NS.Collection}, {Key: "index", Value: name}, mongodb.Durable(),
		})
		if err != nil && mongodb.Code(err) != mongodb.CodeIndexNotFound {
			return fmt.Errorf("drop index %s of %s: %w", name, c.NS, err)
		}
		var kept []Index
		for _, i := range c.Indexes {
			if i.Name != name {
				kept = append(kept, i)
			}
		}
		c.Indexes = kept
	}
	return ch.Map.Put(ctx, c)
}
