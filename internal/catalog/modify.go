package catalog

import (
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// Modify carries out a collMod that the source did; description is that of the
// modify event. What is put off only changes the map.
func (ch *Changer) Modify(ctx context.Context, c Collection, description bson.Raw) error {
	if c.Kind == KindView {
		c.Options = description
		if err := ch.collMod(ctx, c, without(description, "collation")); err != nil {
			return err
		}
		return ch.done(ctx, update{put: []Collection{c}})
	}
	elements, err := description.Elements()
	if err != nil {
		return fmt.Errorf("read the collMod of %s: %w", c.NS, err)
	}
	c.Indexes = slices.Clone(c.Indexes) // the caller's must stay: it may call again
	before := c.standing()
	for _, e := range elements {
		if e.Key() == "index" {
			err = ch.modifyIndex(ctx, &c, e.Value().Document())
		} else {
			err = ch.modifyOption(ctx, &c, e.Key(), e.Value())
		}
		if err != nil {
			return err
		}
	}
	if after := c.standing(); !slices.Equal(before, after) {
		// What has become unique stands by another one now, or another one by it.
		if err := ch.dropIndexes(ctx, c, missing(before, after)); err != nil {
			return err
		}
		return ch.build(ctx, c)
	}
	return ch.done(ctx, update{put: []Collection{c}})
}

func (ch *Changer) modifyOption(ctx context.Context, c *Collection, key string, v bson.RawValue) error {
	switch key {
	case "cappedSize":
		c.Options = with(c.Options, "size", v)
		return nil
	case "cappedMax":
		c.Options = with(c.Options, "max", v)
		return nil
	case "expireAfterSeconds":
		if text, ok := v.StringValueOK(); ok && text == "off" {
			c.Options = without(c.Options, key)
			return nil
		}
		c.Options = with(c.Options, key, v)
		return nil
	case "validator", "validationLevel", "validationAction", "changeStreamPreAndPostImages", "recordPreImages", "timeseries":
		c.Options = with(c.Options, key, v)
		change, err := bson.Marshal(bson.D{{Key: key, Value: v}})
		if err != nil {
			return fmt.Errorf("encode the collMod of %s: %w", c.NS, err)
		}
		return ch.collMod(ctx, *c, change)
	default:
		return migration.NewFault(migration.UnexpectedChange,
			fmt.Sprintf("%s: collMod changed %q, which this version does not know", c.NS, key))
	}
}

func (ch *Changer) modifyIndex(ctx context.Context, c *Collection, change bson.Raw) error {
	name, _ := change.Lookup("name").StringValueOK()
	index, err := c.index(name)
	if err != nil {
		if !c.SafeAfter.Before(ch.At) {
			return nil // it was gone when the collection was copied: its end is still to come
		}
		return err
	}
	elements, err := change.Elements()
	if err != nil {
		return fmt.Errorf("read the collMod of %s: %w", c.NS, err)
	}
	// One that was refused, put off or has a twin is built later, as it is then.
	stands := !index.Failed && slices.Contains(c.standing(), name)
	for _, e := range elements {
		switch key := e.Key(); key {
		case "name":
		case "expireAfterSeconds":
			// An index without expiry gets one: the counterpart needs the field
			// for Restore to change it.
			if stands && !index.TTL() {
				if err := collModIndex(ctx, ch.Destination, *c, name, bson.E{Key: key, Value: neverExpires}); err != nil {
					return err
				}
			}
			index.Spec = with(index.Spec, key, e.Value())
		case "unique", "prepareUnique":
			if set, _ := e.Value().BooleanOK(); set {
				index.Spec = with(index.Spec, key, e.Value())
			} else {
				index.Spec = without(index.Spec, key)
			}
		case "hidden":
			if stands {
				if err := collModIndex(ctx, ch.Destination, *c, name, bson.E{Key: key, Value: e.Value()}); err != nil {
					return err
				}
			}
			if hidden, _ := e.Value().BooleanOK(); hidden {
				index.Spec = with(index.Spec, key, e.Value())
			} else {
				index.Spec = without(index.Spec, key)
			}
		default:
			return migration.NewFault(migration.UnexpectedChange,
				fmt.Sprintf("%s: collMod changed %q of index %s, which this version does not know", c.NS, key, name))
		}
	}
	return nil
}

// collMod sends the fields of a description as they are.
func (ch *Changer) collMod(ctx context.Context, c Collection, fields bson.Raw) error {
	// Of a time-series collection the view changes with the buckets.
	cmd := bson.D{{Key: "collMod", Value: c.NS.Collection}}
	if c.Kind != KindView {
		cmd = append(cmd, c.Itself())
	}
	elements, err := fields.Elements()
	if err != nil {
		return fmt.Errorf("read the collMod of %s: %w", c.NS, err)
	}
	for _, e := range elements {
		cmd = append(cmd, bson.E{Key: e.Key(), Value: e.Value()})
	}
	if _, err := ch.Destination.Run(ctx, c.NS.DB, append(cmd, mongodb.Durable())); err != nil {
		return fmt.Errorf("collMod %s: %w", c.NS, err)
	}
	return nil
}
