// Package partition splits the copy into pieces that can be copied side by side
// and taken up again after an interruption.
package partition

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
)

// Part is a range of _id of one collection, in the order of its index: from Min
// (included) to Max (not included); either may be absent. Capped collections are
// one part in insertion order (Natural).
type Part struct {
	UUID      []byte              `bson:"uuid"`
	NS        migration.Namespace `bson:"ns"`
	Min       bson.RawValue       `bson:"min,omitempty"`
	Max       bson.RawValue       `bson:"max,omitempty"`
	Natural   bool                `bson:"natural,omitempty"`
	Clustered bool                `bson:"clustered,omitempty"`
	Collation bson.Raw            `bson:"collation,omitempty"`
	// Documents and Bytes are estimates.
	Documents int64 `bson:"documents"`
	Bytes     int64 `bson:"bytes"`
}

// Whole is all of a collection in one part.
func Whole(c catalog.Collection) Part {
	return Part{UUID: c.UUID[:], NS: c.NS, Natural: c.Capped(), Clustered: c.Clustered(), Collation: c.Collation()}
}

// Collection is the part's collection on the source.
func (p Part) Collection() catalog.UUID { return catalog.UUID(p.UUID) }

// Last says whether no other part of the collection comes after this one: it
// stands for the collection in counts of what is finished.
func (p Part) Last() bool { return p.Max.IsZero() }

// Unit is what one activity copies: one part of a large collection, or a bundle
// of small collections.
type Unit struct {
	ID    int    `bson:"_id"`
	Parts []Part `bson:"parts"`
}

// Totals is what there is to copy, by the server's own counts.
type Totals struct {
	Namespaces, Documents, Bytes, Indexes int64
}
