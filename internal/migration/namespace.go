package migration

import "strings"

// Namespace names a collection or view: a database and a collection name, which
// may itself contain dots.
type Namespace struct {
	DB         string `json:"db" bson:"db"`
	Collection string `json:"collection" bson:"coll"`
}

// String is the usual "db.collection".
func (n Namespace) String() string { return n.DB + "." + n.Collection }

// bucketsPrefix begins the name of the collection behind a time-series collection.
const bucketsPrefix = "system.buckets."

// Buckets is the collection that holds the documents of the time-series collection
// of this name.
func (n Namespace) Buckets() Namespace {
	return Namespace{DB: n.DB, Collection: bucketsPrefix + n.Collection}
}

// IsBuckets says whether the collection holds the documents of a time-series
// collection.
func (n Namespace) IsBuckets() bool { return strings.HasPrefix(n.Collection, bucketsPrefix) }

// StoredFunctions is the name of the collection of a database that holds them.
const StoredFunctions = "system.js"

// IsStoredFunctions says whether the collection holds a database's stored functions.
func (n Namespace) IsStoredFunctions() bool { return n.Collection == StoredFunctions }

// Logical is the name that users know a collection by: that of the time-series
// collection for one that holds its buckets.
func (n Namespace) Logical() Namespace {
	return Namespace{DB: n.DB, Collection: strings.TrimPrefix(n.Collection, bucketsPrefix)}
}
