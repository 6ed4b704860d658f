package replication

import (
	"errors"
	"fmt"
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
}

// updateDescription tells what an update changed. sets and removed are in the
// order of the event.
type updateDescription struct {
	sets      []bson.RawElement
	removed   []string
	truncated bool
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

// parseEvent reads an event's own fields; documents in it stay bytes.
func parseEvent(raw bson.Raw) (event, error) {
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
		case "updateDescription":
			if e.update, err = parseUpdate(v); err != nil {
				return e, err
			}
		}
	}
	return e, e.validate()
}

func (e *event) validate() error {
	switch {
	case e.kind == "" || e.token == nil:
		return errors.New("a change event has no operationType or no resume token")
	case e.isDocument() && (e.id.IsZero() || e.uuid.IsZero()):
		return fmt.Errorf("a %s event of %s has no _id or no collectionUUID: is showExpandedEvents on?", e.kind, e.ns)
	case (e.kind == kindInsert || e.kind == kindReplace) && e.full == nil:
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

func parseUpdate(v bson.RawValue) (updateDescription, error) {
	var u updateDescription
	doc, ok := v.DocumentOK()
	if !ok {
		return u, errors.New("an update event has no description")
	}
	if sets, ok := doc.Lookup("updatedFields").DocumentOK(); ok {
		elements, err := sets.Elements()
		if err != nil {
			return u, fmt.Errorf("read updatedFields: %w", err)
		}
		u.sets = elements
	}
	if removed, ok := doc.Lookup("removedFields").ArrayOK(); ok {
		values, err := removed.Values()
		if err != nil {
			return u, fmt.Errorf("read removedFields: %w", err)
		}
		for _, r := range values {
			name, _ := r.StringValueOK()
			u.removed = append(u.removed, name)
		}
	}
	if arrays, ok := doc.Lookup("truncatedArrays").ArrayOK(); ok {
		values, err := arrays.Values()
		if err != nil {
			return u, fmt.Errorf("read truncatedArrays: %w", err)
		}
		u.truncated = len(values) > 0
	}
	return u, nil
}

// plain says whether classic $set and $unset do to the document exactly what the
// source did, whatever else the document holds: only top-level fields whose
// names mean nothing but themselves.
func (u updateDescription) plain() bool {
	if u.truncated || len(u.sets)+len(u.removed) == 0 {
		return false
	}
	for _, s := range u.sets {
		if !plainName(s.Key()) {
			return false
		}
	}
	for _, r := range u.removed {
		if !plainName(r) {
			return false
		}
	}
	return true
}

func plainName(name string) bool {
	return name != "" && !strings.HasPrefix(name, "$") && !strings.Contains(name, ".")
}

// oneSet says whether a single $set gives new fields the order that the source
// gave them: the server appends the new fields of a $set sorted by name, and
// names that look like numbers by number.
func (u updateDescription) oneSet() bool {
	previous := ""
	for _, s := range u.sets {
		name := s.Key()
		if name <= previous || (len(u.sets) > 1 && name[0] >= '0' && name[0] <= '9') {
			return false
		}
		previous = name
	}
	return true
}

// overlaps says whether a field was removed and set again: it moved to the end.
func (u updateDescription) overlaps() bool {
	for _, r := range u.removed {
		for _, s := range u.sets {
			if s.Key() == r {
				return true
			}
		}
	}
	return false
}

// updates gives the classic updates that are to be applied one after the other.
func (u updateDescription) updates() []bson.Raw {
	if u.oneSet() && !u.overlaps() {
		return []bson.Raw{modifiers(u.removed, u.sets)}
	}
	var out []bson.Raw
	if len(u.removed) > 0 {
		out = append(out, modifiers(u.removed, nil))
	}
	for i := range u.sets {
		out = append(out, modifiers(nil, u.sets[i:i+1]))
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
