package mongodb

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// keepEmptyTimestamps is the option that tells a server to leave empty timestamps as they
// are. It came with a patch level: 6.0.27 knows it, 6.0.5 does not.
const (
	keepEmptyTimestamps = "bypassEmptyTsReplacement"
	codeUnknownField    = 40415
)

// AppendOptions adds what every insert and update carries.
func (s *Slot) AppendOptions(b *bsoncore.DocumentBuilder) {
	b.AppendBoolean("bypassDocumentValidation", true)
	if s.KeepsEmptyTimestamps {
		b.AppendBoolean(keepEmptyTimestamps, true)
	}
}

// emptyTimestamp is how the element of one ends: its name, and eight bytes.
var emptyTimestamp = make([]byte, 1+8)

// IsEmptyTimestamp says whether an element of a document's top level is what a server
// puts the present time in place of, in an insert or a replacement, unless it is told
// not to. It leaves what a pipeline gives it as a literal.
func IsEmptyTimestamp(e bsoncore.Element) bool {
	return e[0] == byte(bson.TypeTimestamp) && bytes.HasSuffix(e, emptyTimestamp)
}

// HasEmptyTimestamp says whether there is one in a document's top level.
func HasEmptyTimestamp(doc bson.Raw) bool {
	_, rest, _ := bsoncore.ReadLength(doc)
	for len(rest) > 1 {
		var e bsoncore.Element
		var ok bool
		if e, rest, ok = bsoncore.ReadElement(rest); !ok {
			return false // the server refuses it by name
		}
		if IsEmptyTimestamp(e) {
			return true
		}
	}
	return false
}
