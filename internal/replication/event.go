package replication

import (
	"bytes"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
)

// Kinds of change events that this version knows.
const (
	kindInsert        = "insert"
	kindUpdate        = "update"
	kindReplace       = "replace"
	kindDelete        = "delete"
	kindCreate        = "create"
	kindDrop          = "drop"
	kindRename        = "rename"
	kindDropDatabase  = "dropDatabase"
	kindModify        = "modify"
	kindCreateIndexes = "createIndexes"
	kindDropIndexes   = "dropIndexes"
)

// event is a change event. Its raw parts are slices of the batch it came in.
type event struct {
	kind  string
	token bson.Raw
	at    migration.OpTime
	uuid  catalog.UUID
	// place is the namespace as it stands there; only those of catalog changes are
	// read, as ns and to.
	place  bson.Raw
	ns, to migration.Namespace
	id     bson.RawValue
	// key is the canonical form of id.
	key         string
	full        bson.Raw
	update      updateDescription
	description bson.Raw
	// unread says that the event does not tell what became of the document.
	unread bool
	// split is set in a part of an event that is too large for one document.
	split bson.Raw
}

// updateDescription tells what an update did to the top level of a document, in
// documents whose elements are the fields: sets were given a value in their place,
// appended came to the end, in this order and wherever they were before. plain says
// that nothing else happened, and that classic $set and $unset do to the document
// exactly what the source did, whatever else it holds; known, that the event told
// anything at all.
type updateDescription struct {
	sets, appended, removed bson.Raw
	plain, known            bool
}

// isDocument says whether the event is about one document, not the catalog.
func (e *event) isDocument() bool {
	switch e.kind {
	case kindInsert, kindUpdate, kindReplace, kindDelete:
		return true
	default:
		return false
	}
}

// parseEvent reads a whole event's own fields; documents in it stay bytes. A lean one
// comes without them, and without the description of its update: what it says is
// that the document must be read.
func parseEvent(raw bson.Raw, lean bool) (event, error) {
	e, err := readEvent(raw)
	if err != nil {
		return e, err
	}
	return e, e.complete(lean)
}

// complete looks whether all is there of a whole event, and adds what follows from
// it.
func (e *event) complete(lean bool) error {
	if lean && e.isDocument() {
		e.unread, e.update.known = e.kind != kindDelete, true
	}
	if err := e.validate(); err != nil {
		return err
	}
	if e.isDocument() {
		e.key = canonicalID(e.id)
	} else {
		e.ns = e.namespace()
	}
	return nil
}

// readEvent reads what there is of an event.
func readEvent(raw bson.Raw) (e event, err error) {
	notBSON := eachElement(raw, func(el bsoncore.Element) bool {
		value := el.Value()
		v := bson.RawValue{Type: bson.Type(value.Type), Value: value.Data}
		switch string(nameOf(el)) {
		case "_id":
			e.token, _ = v.DocumentOK()
		case "operationType":
			e.kind = kindOf(v)
		case "clusterTime":
			e.at.T, e.at.I, _ = v.TimestampOK()
		case "collectionUUID":
			e.uuid, _ = catalog.UUIDOf(v)
		case "ns":
			e.place, _ = v.DocumentOK()
		case "to":
			to, _ := v.DocumentOK()
			e.to = namespaceOf(to)
		case "documentKey":
			if key, ok := v.DocumentOK(); ok {
				e.id = key.Lookup("_id")
			}
		case "fullDocument":
			e.full, _ = v.DocumentOK()
		case "operationDescription":
			e.description, _ = v.DocumentOK()
		case "rawUpdateDescription":
			e.update, err = parseUpdate(v)
		case "splitEvent":
			e.split, _ = v.DocumentOK()
		}
		return err == nil
	})
	if notBSON != nil {
		err = fmt.Errorf("read a change event: %w", notBSON)
	}
	return e, err
}

// kindOf gives an event's kind; those of documents, of which there are many, without
// making a string of it.
func kindOf(v bson.RawValue) string {
	if v.Type != bson.TypeString || len(v.Value) < 5 {
		return ""
	}
	text := v.Value[4 : len(v.Value)-1]
	switch string(text) {
	case kindInsert:
		return kindInsert
	case kindUpdate:
		return kindUpdate
	case kindReplace:
		return kindReplace
	case kindDelete:
		return kindDelete
	default:
		return string(text)
	}
}

func (e *event) validate() error {
	switch {
	case e.kind == "" || e.token == nil:
		return errors.New("a change event has no operationType or no resume token")
	case e.isDocument() && (e.id.IsZero() || e.uuid.IsZero()):
		return fmt.Errorf("a %s event of %s has no _id or no collectionUUID: is showExpandedEvents on?", e.kind, e.namespace())
	case e.kind == kindUpdate && !e.update.known:
		return fmt.Errorf("an update event of %s has no rawUpdateDescription", e.namespace())
	case (e.kind == kindInsert || e.kind == kindReplace) && e.full == nil && !e.unread:
		return fmt.Errorf("a %s event of %s has no document", e.kind, e.namespace())
	default:
		return nil
	}
}

func (e *event) namespace() migration.Namespace { return namespaceOf(e.place) }

func namespaceOf(doc bson.Raw) migration.Namespace {
	db, _ := doc.Lookup("db").StringValueOK()
	coll, _ := doc.Lookup("coll").StringValueOK()
	return migration.Namespace{DB: db, Collection: coll}
}

// parseUpdate reads a difference as the oplog has it: u, i and d hold the fields
// that were updated, inserted and deleted; anything else is nested or not known.
func parseUpdate(v bson.RawValue) (updateDescription, error) {
	u := updateDescription{known: true}
	doc, ok := v.DocumentOK()
	if !ok {
		return u, errors.New("an update event has no description")
	}
	diff, ok := doc.Lookup("diff").DocumentOK()
	if !ok {
		return u, nil
	}
	fields, otherwise := 0, false
	err := eachElement(diff, func(part bsoncore.Element) bool {
		value, isDocument := part.Value().DocumentOK()
		otherwise = otherwise || !isDocument
		switch string(nameOf(part)) {
		case "u":
			u.sets = bson.Raw(value)
		case "i":
			u.appended = bson.Raw(value)
		case "d":
			u.removed = bson.Raw(value)
		default:
			otherwise = true
		}
		return true
	})
	for _, part := range []bson.Raw{u.sets, u.appended, u.removed} {
		n, plain, partErr := plainNames(part)
		fields += n
		otherwise = otherwise || !plain
		err = errors.Join(err, partErr)
	}
	if err != nil {
		return u, fmt.Errorf("read an update: %w", err)
	}
	u.plain = fields > 0 && !otherwise
	return u, nil
}

// plainNames counts fields, and says whether all their names are plain.
func plainNames(fields bson.Raw) (n int, plain bool, err error) {
	plain = true
	err = eachElement(fields, func(e bsoncore.Element) bool {
		n++
		plain = plain && plainName(nameOf(e))
		return true
	})
	return n, plain, err
}

// plainName: a name that means nothing but itself. An _id cannot be taken away to be
// set again.
func plainName(name []byte) bool {
	return len(name) > 0 && name[0] != '$' && bytes.IndexByte(name, '.') < 0 && string(name) != "_id"
}
