package catalog

import (
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// Changer carries one catalog change of the source out on the destination and
// keeps the map true. Each of its methods may run again after it was
// interrupted; the caller sees to it that no other attempt is at work, and that
// changes are made in the order of the stream.
type Changer struct {
	Destination *mongodb.Client
	Map         *Map
	// Token is the data of the change's resume token. The map holds it once the
	// change is made. At is the change's time.
	Token string
	At    migration.OpTime
}

// done takes in what the change does to the map, and that it is made.
func (ch *Changer) done(ctx context.Context, u update) error {
	u.token = ch.Token
	return ch.Map.update(ctx, u)
}

// Create makes a collection or view. c.Options is what the create event
// described.
func (ch *Changer) Create(ctx context.Context, c Collection) error {
	if known, ok := ch.Map.ByUUID(c.UUID); ok {
		c.Dest = known.Dest
	}
	if c.Kind == KindView {
		// It is made anew: it holds no data.
		if err := ch.drop(ctx, c); err != nil {
			return err
		}
	}
	var err error
	if c.Dest, err = Create(ctx, ch.Destination, c); err != nil {
		return err
	}
	return ch.done(ctx, update{put: []Collection{c}})
}

// Drop drops the counterparts of collections and views, by what the map says
// they are.
func (ch *Changer) Drop(ctx context.Context, cols ...Collection) error {
	for _, c := range cols {
		if err := ch.drop(ctx, c); err != nil {
			return err
		}
	}
	return ch.done(ctx, update{remove: cols})
}

func (ch *Changer) drop(ctx context.Context, c Collection) error {
	if c.Dest.IsZero() { // views have nothing but their name
		have, err := Find(ctx, ch.Destination, c.NS)
		if err != nil || have == nil || have.Kind != c.Kind {
			return err
		}
	}
	return Drop(ctx, ch.Destination, c)
}

// Rename moves the counterpart of a collection to another name, dropping what
// the source dropped there.
func (ch *Changer) Rename(ctx context.Context, c Collection, to migration.Namespace, dropped UUID) error {
	target, err := Find(ctx, ch.Destination, to)
	if err != nil {
		return err
	}
	old, replaces := ch.Map.ByUUID(dropped)
	switch {
	case target != nil && target.UUID == c.Dest: // an interrupted run has done it
	case target != nil && (!replaces || target.UUID != old.Dest):
		return strangerAt(to)
	default:
		_, err := ch.Destination.Run(ctx, "admin", bson.D{
			{Key: "renameCollection", Value: c.NS.String()}, {Key: "to", Value: to.String()},
			{Key: "dropTarget", Value: target != nil}, c.Itself(), mongodb.Durable(),
		})
		if err != nil {
			return fmt.Errorf("rename %s to %s: %w", c.NS, to, err)
		}
	}
	c.NS = to
	u := update{put: []Collection{c}}
	if replaces {
		u.remove = []Collection{old}
	}
	return ch.done(ctx, u)
}

// CreateIndexes builds indexes in the form for the sync. One that the documents
// do not allow is built again, or reported, at the end.
func (ch *Changer) CreateIndexes(ctx context.Context, c Collection, specs []bson.Raw) error {
	c.Indexes = slices.Clone(c.Indexes) // the caller's must stay: it may call again
	before := c.standing()
	for _, spec := range specs {
		name, _ := spec.Lookup("name").StringValueOK()
		if old, err := c.index(name); err == nil {
			old.Spec = spec
		} else {
			c.Indexes = append(c.Indexes, Index{Name: name, Spec: spec})
		}
	}
	// A plain index takes the keys from a unique one that stood as a plain one.
	if err := ch.dropIndexes(ctx, c, missing(before, c.standing())); err != nil {
		return err
	}
	return ch.build(ctx, c)
}

// DropIndexes drops indexes by name; one that is not there is fine.
func (ch *Changer) DropIndexes(ctx context.Context, c Collection, names []string) error {
	if err := ch.dropIndexes(ctx, c, names); err != nil {
		return err
	}
	// The caller's must stay as they are: it may call again.
	c.Indexes = slices.DeleteFunc(slices.Clone(c.Indexes), func(i Index) bool { return slices.Contains(names, i.Name) })
	// A unique index whose plain twin is gone can stand as a plain one now.
	return ch.build(ctx, c)
}

func (ch *Changer) dropIndexes(ctx context.Context, c Collection, names []string) error {
	for _, name := range names {
		if err := dropIndex(ctx, ch.Destination, c, name); err != nil {
			return err
		}
	}
	return nil
}

// dropIndex drops an index, or all with "*"; one that is not there is fine.
func dropIndex(ctx context.Context, dst *mongodb.Client, c Collection, name string) error {
	_, err := dst.Run(ctx, c.NS.DB, bson.D{
		{Key: "dropIndexes", Value: c.Storage()}, {Key: "index", Value: name}, c.Itself(), mongodb.Durable(),
	})
	if err != nil && mongodb.Code(err) != mongodb.CodeIndexNotFound {
		return fmt.Errorf("drop index %s of %s: %w", name, c.NS, err)
	}
	return nil
}

// build builds what should stand on the destination and does not.
func (ch *Changer) build(ctx context.Context, c Collection) error {
	have, err := destinationIndexes(ctx, ch.Destination, c)
	if err != nil {
		return err
	}
	lacking, standing := c, c.standing()
	lacking.Indexes = slices.DeleteFunc(slices.Clone(c.Indexes), func(i Index) bool {
		return have[i.Name].Spec != nil || !slices.Contains(standing, i.Name)
	})
	failed, err := BuildIndexes(ctx, ch.Destination, lacking)
	if err != nil {
		return err
	}
	for n := range c.Indexes { // what failed before was tried again
		c.Indexes[n].Failed, c.Indexes[n].Reason = false, ""
	}
	c.MarkFailed(failed)
	return ch.done(ctx, update{put: []Collection{c}})
}

// missing are the names of a that are not in b.
func missing(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(name string) bool { return slices.Contains(b, name) })
}
