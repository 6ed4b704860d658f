package replication

import (
	"errors"
	"fmt"
	"slices"
	"strings"

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
	kind        string
	token       bson.Raw
	at          migration.OpTime
	uuid        catalog.UUID
	ns, to      migration.Namespace
	id          bson.RawValue
	full        bson.Raw
	update      updateDescription
	description bson.Raw
	// unread says that the event does not tell what became of the document.
	unread bool
}

// updateDescription tells what an update did to the top level of a document:
// sets were given a value in their place, appended came to the end, in this order
// and wherever they were before. nested says that something happened below, known that
// the event told anything at all.
type updateDescription struct {
	sets, appended []bson.RawElement
	removed        []string
	nested, known  bool
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

// parseEvent reads an event's own fields; documents in it stay bytes. A lean one
// comes without them, and without the description of its update: what it says is
// that the document must be read.
func parseEvent(raw bson.Raw, lean bool) (event, error) {
	var e event
	elements, err := raw.Elements()
	if err != nil {
		return e, fmt.Errorf("read a change event: %w", err)
	}
	for _, el := range elements {
		v := el.Value()
		switch el.Key() {
		case "_id":
			e.token, _ = v.DocumentOK()
		case "operationType":
			e.kind, _ = v.StringValueOK()
		case "clusterTime":
			e.at.T, e.at.I, _ = v.TimestampOK()
		case "collectionUUID":
			e.uuid, _ = catalog.UUIDOf(v)
		case "ns":
			e.ns = namespaceOf(v)
		case "to":
			e.to = namespaceOf(v)
		case "documentKey":
			if key, ok := v.DocumentOK(); ok {
				e.id = key.Lookup("_id")
			}
		case "fullDocument":
			e.full, _ = v.DocumentOK()
		case "operationDescription":
			e.description, _ = v.DocumentOK()
		case "rawUpdateDescription":
			if e.update, err = parseUpdate(v); err != nil {
				return e, err
			}
		}
	}
	if lean && e.isDocument() {
		e.unread, e.update.known = e.kind != kindDelete, true
	}
	return e, e.validate()
}

func (e *event) validate() error {
	switch {
	case e.kind == "" || e.token == nil:
		return errors.New("a change event has no operationType or no resume token")
	case e.isDocument() && (e.id.IsZero() || e.uuid.IsZero()):
		return fmt.Errorf("a %s event of %s has no _id or no collectionUUID: is showExpandedEvents on?", e.kind, e.ns)
	case e.kind == kindUpdate && !e.update.known:
		return fmt.Errorf("an update event of %s has no rawUpdateDescription", e.ns)
	case (e.kind == kindInsert || e.kind == kindReplace) && e.full == nil && !e.unread:
		return fmt.Errorf("a %s event of %s has no document", e.kind, e.ns)
	default:
		return nil
	}
}

func namespaceOf(v bson.RawValue) migration.Namespace {
	doc, ok := v.DocumentOK()
	if !ok {
		return migration.Namespace{}
	}
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
		return updateDescription{nested: true, known: true}, nil
	}
	parts, err := diff.Elements()
	if err != nil {
		return u, fmt.Errorf("read an update: %w", err)
	}
	for _, part := range parts {
		if !slices.Contains([]string{"u", "i", "d"}, part.Key()) {
			u.nested = true
			continue
		}
		fields, _ := part.Value().DocumentOK()
		elements, err := fields.Elements()
		if err != nil {
			return u, fmt.Errorf("read an update: %w", err)
		}
		switch part.Key() {
		case "u":
			u.sets = elements
		case "i":
			u.appended = elements
		case "d":
			for _, e := range elements {
				u.removed = append(u.removed, e.Key())
			}
		}
	}
	return u, nil
}

// plain says whether classic $set and $unset do to the document exactly what the
// source did, whatever else the document holds: only top-level fields whose
// names mean nothing but themselves.
func (u updateDescription) plain() bool {
	if u.nested || len(u.sets)+len(u.appended)+len(u.removed) == 0 {
		return false
	}
	for _, r := range u.removed {
		if !plainName(r) {
			return false
		}
	}
	return allPlain(u.sets) && allPlain(u.appended)
}

func allPlain(fields []bson.RawElement) bool {
	return !slices.ContainsFunc(fields, func(f bson.RawElement) bool { return !plainName(f.Key()) })
}

// plainName: an _id cannot be taken away to be set again.
func plainName(name string) bool {
	return name != "" && name != "_id" && !strings.HasPrefix(name, "$") && !strings.Contains(name, ".")
}

// inOrder says whether a single $set appends new fields in this order: the server
// appends them sorted by name, and names that look like numbers by number.
func inOrder(fields []bson.RawElement) bool {
	previous := ""
	for _, f := range fields {
		name := f.Key()
		if name <= previous || (len(fields) > 1 && name[0] >= '0' && name[0] <= '9') {
			return false
		}
		previous = name
	}
	return true
}

// updates gives the classic updates that are to be applied one after the other.
// What is appended is taken away first, in case it was there.
func (u updateDescription) updates() []bson.Raw {
	gone := slices.Clone(u.removed)
	for _, a := range u.appended {
		gone = append(gone, a.Key())
	}
	out := []bson.Raw{modifiers(gone, u.sets)}
	switch {
	case len(u.appended) == 0:
	case inOrder(u.appended):
		out = append(out, modifiers(nil, u.appended))
	default:
		for i := range u.appended {
			out = append(out, modifiers(nil, u.appended[i:i+1]))
		}
	}
	return out
}

func modifiers(removed []string, sets []bson.RawElement) bson.Raw {
	b := bsoncore.NewDocumentBuilder()
	if len(removed) > 0 {
		unset := bsoncore.NewDocumentBuilder()
		for _, r := range removed {
			unset.AppendString(r, "")
		}
		b.AppendDocument("$unset", unset.Build())
	}
	if len(sets) > 0 {
		set := bsoncore.NewDocumentBuilder()
		for _, s := range sets {
			v := s.Value()
			set.AppendValue(s.Key(), bsoncore.Value{Type: bsoncore.Type(v.Type), Data: v.Value})
		}
		b.AppendDocument("$set", set.Build())
	}
	return bson.Raw(b.Build())
}
