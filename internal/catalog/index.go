package catalog

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// neverExpires stands in for expireAfterSeconds until the end of a migration:
// the largest value the server takes, 68 years.
const neverExpires = int32(1<<31 - 1)

// TTL says whether the server deletes documents by this index.
func (i Index) TTL() bool {
	_, err := i.Spec.LookupErr("expireAfterSeconds")
	return err == nil
}

// Unique says whether the index refuses equal keys.
func (i Index) Unique() bool {
	unique, ok := i.Spec.Lookup("unique").BooleanOK()
	return ok && unique && !i.onID()
}

// onID says whether this is the index every collection has.
func (i Index) onID() bool {
	clustered, _ := i.Spec.Lookup("clustered").BooleanOK()
	return i.Name == "_id_" || clustered
}

func (i Index) key() bson.Raw {
	key, _ := i.Spec.Lookup("key").DocumentOK()
	return key
}

// forSync is the index as it is built while changes are still applied: not
// unique, since equal keys pass by when changes of different documents are
// applied in another order; and without expiry, since deletes come from the
// source.
func (i Index) forSync() bson.Raw {
	return rebuild(i.Spec, func(b *bsoncore.DocumentBuilder, key string, v bson.RawValue) {
		switch key {
		case "unique", "prepareUnique", "ns", "clustered":
		case "expireAfterSeconds":
			b.AppendInt32(key, neverExpires)
		default:
			appendValue(b, key, v)
		}
	})
}

// final is the index as the source has it, for createIndexes.
func (i Index) final() bson.Raw {
	return rebuild(i.Spec, func(b *bsoncore.DocumentBuilder, key string, v bson.RawValue) {
		if key != "ns" && key != "prepareUnique" {
			appendValue(b, key, v)
		}
	})
}

// hasPlainTwin says whether another index that is not unique has the same keys.
// Two plain ones with the same keys are refused by the server, so the unique
// one must wait until it can be built as what it is.
func (c Collection) hasPlainTwin(unique Index) bool {
	for _, other := range c.Indexes {
		if other.Name != unique.Name && !other.Unique() && bytes.Equal(other.key(), unique.key()) {
			return true
		}
	}
	return false
}

// standing are the names of the secondary indexes that stand on the destination
// while the sync runs.
func (c Collection) standing() []string {
	var names []string
	for _, i := range c.secondary() {
		if !i.Unique() || !c.hasPlainTwin(i) {
			names = append(names, i.Name)
		}
	}
	return names
}

// rebuild copies a document field by field through a filter.
func rebuild(doc bson.Raw, field func(b *bsoncore.DocumentBuilder, key string, v bson.RawValue)) bson.Raw {
	b := bsoncore.NewDocumentBuilder()
	elements, err := doc.Elements()
	if err != nil {
		return doc // not BSON: the server that sent it will say so
	}
	for _, e := range elements {
		field(b, e.Key(), e.Value())
	}
	return bson.Raw(b.Build())
}

func appendValue(b *bsoncore.DocumentBuilder, key string, v bson.RawValue) {
	b.AppendValue(key, bsoncore.Value{Type: bsoncore.Type(v.Type), Data: v.Value})
}

// with gives a copy of the spec with one field set.
func with(doc bson.Raw, key string, v bson.RawValue) bson.Raw {
	found := false
	out := bsoncore.NewDocumentBuilder()
	elements, _ := doc.Elements() // an empty or absent document has none
	for _, e := range elements {
		if e.Key() == key {
			appendValue(out, key, v)
			found = true
			continue
		}
		appendValue(out, e.Key(), e.Value())
	}
	if !found {
		appendValue(out, key, v)
	}
	return bson.Raw(out.Build())
}

// without gives a copy of the document that lacks the fields named.
func without(doc bson.Raw, keys ...string) bson.Raw {
	return rebuild(doc, func(b *bsoncore.DocumentBuilder, key string, v bson.RawValue) {
		for _, k := range keys {
			if k == key {
				return
			}
		}
		appendValue(b, key, v)
	})
}
