package replication

import (
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

var errNotBSON = errors.New("this is not BSON")

// eachElement hands the elements of a document out, as parts of it, until told to
// stop; there are none in a document that is not there.
func eachElement(doc bson.Raw, do func(bsoncore.Element) bool) error {
	if doc == nil {
		return nil
	}
	length, rest, ok := bsoncore.ReadLength(doc)
	if !ok || int(length) != len(doc) || length < 5 {
		return errNotBSON
	}
	for rest = rest[:len(rest)-1]; len(rest) > 0; {
		var e bsoncore.Element
		if e, rest, ok = bsoncore.ReadElement(rest); !ok {
			return errNotBSON
		}
		if !do(e) {
			return nil
		}
	}
	return nil
}

// nameOf is the name of an element that was read, as a part of it.
func nameOf(e bsoncore.Element) []byte {
	name, _ := e.KeyBytesErr() // an element that was read has one
	return name
}
