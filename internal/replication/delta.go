package replication

import (
	"bytes"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// delta is what a row of updates does to the top level of one document, as one
// update: each field is removed, or given a value in its place, or taken away and
// appended. Rows of updates come from one history, so a field that is changed in
// its place was there, and one that is removed too.
type delta struct {
	fields []fieldChange
	// at finds a field by its name once there are many.
	at map[string]int
}

// fieldChange is the latest of a field. element is as an update event has it, its
// value without meaning in a removed one.
type fieldChange struct {
	element bsoncore.Element
	fate    fate
}

type fate int

const (
	fieldSet      fate = iota // has this value, in its place
	fieldAppended             // has this value, behind all that was there before
	fieldRemoved
	fieldMoved // is further behind in the list
)

// manyFields is from when on a map is faster than looking through them.
const manyFields = 16

// add puts an update on top; false when it cannot have followed what is there, and
// only the document itself can tell. The delta is of no use then.
func (d *delta) add(u updateDescription) bool {
	ok := true
	each := func(part bson.Raw, take func(bsoncore.Element) bool) {
		err := eachElement(part, func(e bsoncore.Element) bool {
			ok = ok && take(e)
			return ok
		})
		ok = ok && err == nil
	}
	// They are about different fields: their order is of no matter.
	each(u.removed, d.remove)
	each(u.sets, d.set)
	each(u.appended, d.append)
	return ok
}

func (d *delta) remove(e bsoncore.Element) bool {
	i := d.find(e)
	if i < 0 {
		d.put(e, fieldRemoved)
		return true
	}
	f := &d.fields[i]
	gone := f.fate == fieldRemoved
	// What was appended may have been there before.
	f.fate, f.element = fieldRemoved, e
	return !gone
}

func (d *delta) set(e bsoncore.Element) bool {
	i := d.find(e)
	if i < 0 {
		d.put(e, fieldSet)
		return true
	}
	d.fields[i].element = e
	return d.fields[i].fate != fieldRemoved
}

func (d *delta) append(e bsoncore.Element) bool {
	if i := d.find(e); i >= 0 {
		d.fields[i].fate = fieldMoved
	}
	d.put(e, fieldAppended)
	return true
}

// find gives the place of a field in the list, -1 when it is not there.
func (d *delta) find(e bsoncore.Element) int {
	name := nameOf(e)
	if d.at != nil {
		if i, ok := d.at[string(name)]; ok {
			return i
		}
		return -1
	}
	return slices.IndexFunc(d.fields, func(f fieldChange) bool {
		return f.fate != fieldMoved && bytes.Equal(nameOf(f.element), name)
	})
}

func (d *delta) put(e bsoncore.Element, f fate) {
	d.fields = append(d.fields, fieldChange{e, f})
	switch {
	case d.at != nil:
		d.at[string(nameOf(e))] = len(d.fields) - 1
	case len(d.fields) > manyFields:
		d.at = map[string]int{}
		for i, f := range d.fields {
			if f.fate != fieldMoved {
				d.at[string(nameOf(f.element))] = i
			}
		}
	}
}

func (d *delta) empty() bool { return len(d.fields) == 0 }

// maxDocument is how large a document can be.
const maxDocument = 16 << 20

// patch gives a document with the delta applied; false when it is not one that the
// delta was made for, or has names twice.
func (d *delta) patch(doc bson.Raw) (bson.Raw, bool) {
	out := bson.Raw(append(make([]byte, 0, len(doc)+d.size()), 0, 0, 0, 0))
	met := make([]bool, len(d.fields))
	ok := true
	err := eachElement(doc, func(e bsoncore.Element) bool {
		i := d.find(e)
		if i < 0 {
			out = append(out, e...)
			return true
		}
		ok = !met[i]
		met[i] = true
		if f := d.fields[i]; f.fate == fieldSet {
			out = append(out, f.element...)
		}
		return ok
	})
	for i, f := range d.fields {
		switch f.fate {
		case fieldAppended:
			out = append(out, f.element...)
		case fieldSet:
			ok = ok && met[i]
		}
	}
	if err != nil || !ok || len(out) >= maxDocument {
		return nil, false
	}
	out = append(out, 0)
	return bson.Raw(bsoncore.UpdateLength(out, 0, int32(len(out)))), true
}

// size is about how many bytes the fields take; a name can be needed twice.
func (d *delta) size() (n int) {
	for _, f := range d.fields {
		n += len(f.element) + len(nameOf(f.element))
	}
	return n
}
