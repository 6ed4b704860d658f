package migration

import (
	"fmt"
	"strings"
)

// Namespace names a collection or view: a database and a collection name, which
// may itself contain dots.
type Namespace struct {
	DB         string `json:"db" bson:"db"`
	Collection string `json:"collection" bson:"coll"`
}

// String is the usual "db.collection".
func (n Namespace) String() string { return n.DB + "." + n.Collection }

// ParseNamespace splits "db.collection" at the first dot.
func ParseNamespace(s string) (Namespace, error) {
	db, coll, ok := strings.Cut(s, ".")
	if !ok || db == "" || coll == "" {
		return Namespace{}, fmt.Errorf("namespace %q: want db.collection", s)
	}
	return Namespace{DB: db, Collection: coll}, nil
}
