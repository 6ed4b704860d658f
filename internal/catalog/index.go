package catalog

import (
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
	return i.flag("unique") && !i.onID()
}

// preparesUnique says whether a plain index refuses new equal keys.
func (i Index) preparesUnique() bool { return i.flag("prepareUnique") && !i.Unique() }

// flag reads an option that old servers also took as a number.
func (i Index) flag(name string) bool {
	v := i.Spec.Lookup(name)
	if number, ok := v.AsInt64OK(); ok {
		return number != 0
	}
	set, _ := v.BooleanOK()
	return set
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
	return rebuild(i.explicit(), func(b *bsoncore.DocumentBuilder, key string, v bson.RawValue) {
		switch key {
		case "unique", "prepareUnique", "ns", "clustered":
		case "expireAfterSeconds":
			b.AppendInt32(key, neverExpires)
		default:
			appendValue(b, key, v)
		}
	})
}

// atFence is the index as it is built at the fence: unique already, but without
// expiry, since nothing may be deleted before the destination is open.
func (i Index) atFence() bson.Raw {
	return with(i.forSync(), "unique", bson.RawValue{Type: bson.TypeBoolean, Value: []byte{1}})
}

// final is the index as the source has it, for createIndexes.
func (i Index) final() bson.Raw {
	return without(i.explicit(), "ns", "prepareUnique")
}

// explicit says of an index without collation that it has none: left out, it would
// be that of the collection. Version 1 knows no collation and takes none.
func (i Index) explicit() bson.Raw {
	if version, ok := i.Spec.Lookup("v").AsInt64OK(); ok && version < 2 {
		return i.Spec
	}
	if _, err := i.Spec.LookupErr("collation"); err == nil {
		return i.Spec
	}
	simple := bsoncore.NewDocumentBuilder().AppendString("locale", "simple").Build()
	return with(i.Spec, "collation", bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: simple})
}

// standing are the names of the secondary indexes that stand on the destination
// while the sync runs: all but unique ones with a plain twin, which would be the
// same index as long as they are plain themselves.
func (c Collection) standing() []string {
	var names []string
	for _, i := range c.secondary() {
		if _, alike := c.plainTwin(i); alike == different {
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
