// Package catalog knows collections, views and indexes: how they stand on the
// source, how they are made on the destination while the migration runs, and
// how the properties that were put off are brought back at its end.
//
// Unique and TTL indexes and capped limits would get in the way of a
// synchronisation that applies changes in its own order; see forSync.
package catalog

import (
	"encoding/hex"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
)

// UUID identifies a collection on its cluster for as long as it exists,
// whatever its name. The zero value means none: views have no UUID.
type UUID [16]byte

// String is the hexadecimal form.
func (u UUID) String() string { return hex.EncodeToString(u[:]) }

// IsZero says whether there is no UUID.
func (u UUID) IsZero() bool { return u == UUID{} }

// Binary is the BSON form, which find takes in place of a collection's name.
func (u UUID) Binary() bson.Binary { return bson.Binary{Subtype: bson.TypeBinaryUUID, Data: u[:]} }

// UUIDOf reads a UUID from a BSON value; false when it is none.
func UUIDOf(v bson.RawValue) (UUID, bool) {
	subtype, data, ok := v.BinaryOK()
	if !ok || subtype != bson.TypeBinaryUUID || len(data) != 16 {
		return UUID{}, false
	}
	return UUID(data), true
}

// Kind is what stands behind a namespace.
type Kind string

// The kinds, as listCollections names them.
const (
	KindCollection Kind = "collection"
	KindView       Kind = "view"
	KindTimeseries Kind = "timeseries"
)

// Index is one index of the source: Spec is its listIndexes document as it is.
// Failed says that the destination refused it, so that it may be missing there,
// and Reason why.
type Index struct {
	Name   string   `bson:"name"`
	Spec   bson.Raw `bson:"spec"`
	Failed bool     `bson:"failed,omitempty"`
	Reason string   `bson:"reason,omitempty"`
}

// Collection is a collection or view of the source. Options is what
// listCollections shows, Dest the UUID of its counterpart once that exists. UUID
// and Indexes of a time-series collection are those of its buckets.
type Collection struct {
	UUID    UUID                `bson:"-"`
	Dest    UUID                `bson:"-"`
	NS      migration.Namespace `bson:"ns"`
	Kind    Kind                `bson:"kind"`
	Options bson.Raw            `bson:"options"`
	Indexes []Index             `bson:"indexes"`
	// SafeAfter, when set, is the time up to which documents, options and indexes may
	// be newer than the events about them: the collection was copied in the middle of
	// the stream.
	SafeAfter migration.OpTime `bson:"safeAfter"`
	// Staged says that the counterpart is being copied, under a name of its own; see
	// Publish.
	Staged bool `bson:"-"`
}

// Storage is the name of the collection that holds the documents and indexes:
// itself, or the buckets of a time-series collection.
func (c Collection) Storage() string {
	if c.Kind == KindTimeseries {
		return c.NS.Buckets().Collection
	}
	return c.NS.Collection
}

// HasDocuments says whether it is more than a view.
func (c Collection) HasDocuments() bool { return c.Kind != KindView }

// Itself is for commands to the destination that name the collection: the server
// refuses them when the name has gone to another one, or to none. Nothing is
// created, changed or dropped in another's place, also not by an attempt that
// wakes after its successor has finished.
func (c Collection) Itself() bson.E {
	return bson.E{Key: "collectionUUID", Value: c.Dest.Binary()}
}

// Unsupported says what kind of collection it is that this version does not
// migrate, "" when it does.
func (c Collection) Unsupported() string {
	if c.NS.IsBuckets() {
		return "what is left of a time-series collection (it has no view)"
	}
	if c.Capped() && c.Clustered() {
		return "a clustered collection that was converted to a capped one, which no server makes by name,"
	}
	if _, err := c.Options.LookupErr("encryptedFields"); err == nil {
		return "a collection with queryable encryption"
	}
	return ""
}

// Capped says whether the order of documents and the limits matter.
func (c Collection) Capped() bool {
	capped, ok := c.Options.Lookup("capped").BooleanOK()
	return ok && capped
}

// Clustered says whether documents are stored by _id, without an _id index.
func (c Collection) Clustered() bool {
	if c.Kind == KindTimeseries {
		return true
	}
	_, err := c.Options.LookupErr("clusteredIndex")
	return err == nil
}

// Collation is the collection's default collation, nil for the simple one.
func (c Collection) Collation() bson.Raw {
	collation, _ := c.Options.Lookup("collation").DocumentOK()
	return collation
}

// HasTTL says whether the server deletes documents of it by time.
func (c Collection) HasTTL() bool {
	if _, err := c.Options.LookupErr("expireAfterSeconds"); err == nil {
		return true
	}
	for _, i := range c.Indexes {
		if i.TTL() {
			return true
		}
	}
	return false
}

// secondary are all indexes but the one on _id.
func (c Collection) secondary() []Index {
	var out []Index
	for _, i := range c.Indexes {
		if !i.onID() {
			out = append(out, i)
		}
	}
	return out
}

// duringSync are the secondary indexes that are built while the sync runs: unique ones
// with a plain twin are built at the fence, or by Restore.
func (c Collection) duringSync() []Index {
	return slices.DeleteFunc(c.secondary(), c.hasPlainTwin)
}

// IndexesDuringSync counts the indexes that are built while the sync runs.
func (c Collection) IndexesDuringSync() int { return len(c.duringSync()) }

// MarkFailed notes the indexes that the destination has refused.
func (c *Collection) MarkFailed(failed []migration.UnsuccessfulIndex) {
	for _, f := range failed {
		if i, err := c.index(f.IndexName); err == nil {
			i.Failed, i.Reason = true, f.Reason
		}
	}
}

func (c *Collection) index(name string) (*Index, error) {
	for i := range c.Indexes {
		if c.Indexes[i].Name == name {
			return &c.Indexes[i], nil
		}
	}
	return nil, migration.NewFault(migration.UnexpectedChange, fmt.Sprintf("%s has no index %q that this migration knows of", c.NS, name))
}
