package replication

import (
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

func (c *command) insert(owner *change, doc bson.Raw) {
	c.next(owner)
	c.array = append(c.array, doc...)
}

func (c *command) delete(owner *change) {
	c.statement(owner, func(dst []byte) []byte { return bsoncore.AppendInt32Element(dst, "limit", 1) })
}

func (c *command) update(owner *change, modifiers bson.Raw) {
	c.statement(owner, func(dst []byte) []byte {
		return bsoncore.AppendDocumentElement(dst, "u", bsoncore.Document(modifiers))
	})
}

// put puts a document there as it is, whether or not there is one.
func (c *command) put(owner *change, doc bson.Raw) {
	c.statement(owner, func(dst []byte) []byte {
		if hasDollarField(doc) {
			stage := bsoncore.NewDocumentBuilder().AppendDocument("$replaceWith", literal(doc)).Build()
			dst = bsoncore.AppendArrayElement(dst, "u", bsoncore.NewArrayBuilder().AppendDocument(stage).Build())
		} else {
			dst = bsoncore.AppendDocumentElement(dst, "u", bsoncore.Document(doc))
		}
		return bsoncore.AppendBooleanElement(dst, "upsert", true)
	})
}

// putContent puts everything but the _id there: in a capped collection a
// document must keep its place, and by the collation it may be an older one with
// another _id, whose end is still to come.
func (c *command) putContent(owner *change, doc bson.Raw) {
	own := bsoncore.NewDocumentBuilder().AppendString("_id", "$_id").Build()
	merged := bsoncore.NewDocumentBuilder().AppendArray("$mergeObjects", bsoncore.NewArrayBuilder().AppendDocument(literal(doc)).AppendDocument(own).Build()).Build()
	stage := bsoncore.NewDocumentBuilder().AppendDocument("$replaceWith", merged).Build()
	c.statement(owner, func(dst []byte) []byte {
		dst = bsoncore.AppendArrayElement(dst, "u", bsoncore.NewArrayBuilder().AppendDocument(stage).Build())
		return bsoncore.AppendBooleanElement(dst, "upsert", true)
	})
}

func literal(doc bson.Raw) bsoncore.Document {
	return bsoncore.NewDocumentBuilder().AppendDocument("$literal", bsoncore.Document(doc)).Build()
}

// statement adds one that begins with the query for the change's document.
func (c *command) statement(owner *change, rest func(dst []byte) []byte) {
	c.next(owner)
	start, dst := bsoncore.AppendDocumentStart(c.array)
	dst = rest(appendQuery(dst, owner.id))
	c.array, _ = bsoncore.AppendDocumentEnd(dst, start) // fails only for a start that is not one
}

// appendQuery adds the query for a document. The server takes the short way to it,
// past its query planner, only when the value stands there by itself; one that
// could mean anything but itself there is compared with $eq.
func appendQuery(dst []byte, id bson.RawValue) []byte {
	value := bsoncore.Value{Type: bsoncore.Type(id.Type), Data: id.Value}
	q, dst := bsoncore.AppendDocumentElementStart(dst, "q")
	if literalID(id) {
		dst = bsoncore.AppendValueElement(dst, "_id", value)
	} else {
		var eq int32
		eq, dst = bsoncore.AppendDocumentElementStart(dst, "_id")
		dst = bsoncore.AppendValueElement(dst, "$eq", value)
		dst, _ = bsoncore.AppendDocumentEnd(dst, eq)
	}
	dst, _ = bsoncore.AppendDocumentEnd(dst, q)
	return dst
}

// literalID says whether a value in a query means that value: a document whose first
// name begins with a dollar is an expression, a regular expression is a pattern.
func literalID(id bson.RawValue) bool {
	switch id.Type {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128, bson.TypeString, bson.TypeObjectID,
		bson.TypeBoolean, bson.TypeDateTime, bson.TypeBinary:
		return true
	case bson.TypeEmbeddedDocument: // length, type of the first element, its name
		return len(id.Value) > 5 && id.Value[5] != '$'
	default:
		return false
	}
}

// hasDollarField says whether a classic replacement would take the document for
// something else.
func hasDollarField(doc bson.Raw) bool {
	found := false
	_ = eachElement(doc, func(e bsoncore.Element) bool { // what is not BSON the server will refuse by name
		found = len(e) > 1 && e[1] == '$'
		return !found
	})
	return found
}

// beginsWithID says whether an insert leaves the document's fields in their order:
// it moves the _id to the front.
func beginsWithID(doc bson.Raw) bool {
	return len(doc) > 9 && string(doc[5:9]) == "_id\x00"
}
