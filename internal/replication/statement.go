package replication

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"mongoferry/internal/mongodb"
)

func (c *command) insert(owner *change, doc bson.Raw) {
	c.next(owner)
	c.array = append(c.array, doc...)
}

func (c *command) delete(owner *change) {
	start := c.begin(owner)
	c.array = bsoncore.AppendInt32Element(c.array, "limit", 1)
	c.end(start)
}

// put puts a document there as it is, whether or not there is one.
func (c *command) put(owner *change, doc bson.Raw) {
	if peculiar(doc) {
		c.putStage(owner, literal(doc))
		return
	}
	start := c.begin(owner)
	c.array = bsoncore.AppendDocumentElement(c.array, "u", bsoncore.Document(doc))
	c.array = bsoncore.AppendBooleanElement(c.array, "upsert", true)
	c.end(start)
}

// putContent puts everything but the _id there: in a capped collection a
// document must keep its place, and by the collation it may be an older one with
// another _id, whose end is still to come.
func (c *command) putContent(owner *change, doc bson.Raw) {
	own := bsoncore.NewDocumentBuilder().AppendString("_id", "$_id").Build()
	parts := bsoncore.NewArrayBuilder().AppendDocument(literal(doc)).AppendDocument(own).Build()
	c.putStage(owner, bsoncore.NewDocumentBuilder().AppendArray("$mergeObjects", parts).Build())
}

// putStage puts there what an expression gives.
func (c *command) putStage(owner *change, expression bsoncore.Document) {
	stage := bsoncore.NewDocumentBuilder().AppendDocument("$replaceWith", expression).Build()
	start := c.begin(owner)
	c.array = bsoncore.AppendArrayElement(c.array, "u", bsoncore.NewArrayBuilder().AppendDocument(stage).Build())
	c.array = bsoncore.AppendBooleanElement(c.array, "upsert", true)
	c.end(start)
}

func literal(doc bson.Raw) bsoncore.Document {
	return bsoncore.NewDocumentBuilder().AppendDocument("$literal", bsoncore.Document(doc)).Build()
}

// modify changes a document by the delta of a change, in classic updates that are
// applied one after the other. What is appended is taken away first, in case it was
// there.
func (c *command) modify(owner *change) {
	var some [2][8]bsoncore.Element
	gone, sets := some[0][:0], some[1][:0]
	for _, f := range owner.delta.fields {
		switch f.fate {
		case fieldSet:
			sets = append(sets, f.element)
		case fieldAppended:
			gone = append(gone, f.element)
		case fieldRemoved:
			gone = append(gone, f.element)
		}
	}
	c.modifiers(owner, gone, sets)
	owner.delta.eachAppended(func(row []bsoncore.Element) bool {
		c.modifiers(owner, nil, row)
		return true
	})
}

// eachAppended gives the fields that are appended in rows, each of which a single $set
// appends in this order, until use wants no more.
func (d *delta) eachAppended(use func(row []bsoncore.Element) bool) {
	var some [8]bsoncore.Element
	row := some[:0]
	for _, f := range d.fields {
		if f.fate != fieldAppended {
			continue
		}
		if len(row) > 0 && !inOrder(nameOf(row[len(row)-1]), nameOf(f.element)) {
			if !use(row) {
				return
			}
			row = row[:0]
		}
		row = append(row, f.element)
	}
	if len(row) > 0 {
		use(row)
	}
}

// steps is how many statements the delta takes, counted up to a bit more than most.
func (d *delta) steps(most int) int {
	n := 1
	d.eachAppended(func([]bsoncore.Element) bool {
		n++
		return n <= most
	})
	return n
}

// inOrder says whether a $set of both appends a field before another: the server appends
// them sorted by name, and names that look like numbers by number.
func inOrder(before, name []byte) bool {
	return bytes.Compare(before, name) < 0 && !isDigit(before[0]) && !isDigit(name[0])
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// modifiers adds one classic update.
func (c *command) modifiers(owner *change, removed, sets []bsoncore.Element) {
	start := c.begin(owner)
	u, dst := bsoncore.AppendDocumentElementStart(c.array, "u")
	if len(removed) > 0 {
		var unset int32
		unset, dst = bsoncore.AppendDocumentElementStart(dst, "$unset")
		for _, e := range removed {
			dst = append(dst, byte(bson.TypeBoolean))
			dst = append(append(dst, nameOf(e)...), 0, 1)
		}
		dst = endDocument(dst, unset)
	}
	if len(sets) > 0 {
		var set int32
		set, dst = bsoncore.AppendDocumentElementStart(dst, "$set")
		for _, e := range sets {
			dst = append(dst, e...)
		}
		dst = endDocument(dst, set)
	}
	c.array = endDocument(dst, u)
	c.end(start)
}

// begin adds a statement that begins with the query for the change's document; end
// ends it.
func (c *command) begin(owner *change) (start int32) {
	c.next(owner)
	start, c.array = bsoncore.AppendDocumentStart(c.array)
	c.array = appendQuery(c.array, owner.id)
	return start
}

func (c *command) end(start int32) { c.array = endDocument(c.array, start) }

// endDocument ends what began there.
func endDocument(dst []byte, start int32) []byte {
	dst, _ = bsoncore.AppendDocumentEnd(dst, start) // it fails only where nothing began
	return dst
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
		dst = endDocument(dst, eq)
	}
	return endDocument(dst, q)
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

// peculiar says whether a classic replacement would take the document for something
// else, for a name that begins with a dollar, or put the present time in place of an
// empty timestamp (see mongodb.IsEmptyTimestamp).
func peculiar(doc bson.Raw) (found bool) {
	_ = eachElement(doc, func(e bsoncore.Element) bool { // what is not BSON the server will refuse by name
		found = len(e) > 1 && e[1] == '$' || mongodb.IsEmptyTimestamp(e)
		return !found
	})
	return found
}

// beginsWithID says whether an insert leaves the document's fields in their order:
// it moves the _id to the front.
func beginsWithID(doc bson.Raw) bool {
	return len(doc) > 9 && string(doc[5:9]) == "_id\x00"
}
