package migration

// Namespace names a collection or view: a database and a collection name, which
// may itself contain dots.
type Namespace struct {
	DB         string `json:"db" bson:"db"`
	Collection string `json:"collection" bson:"coll"`
}

// String is the usual "db.collection".
func (n Namespace) String() string { return n.DB + "." + n.Collection }
