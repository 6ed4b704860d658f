package catalog

import (
	"maps"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// likeness is whether the server takes two indexes for one, were it not for
// unique: it refuses the second of two that are the same (IndexOptionsConflict).
type likeness int

const (
	different likeness = iota
	// perhaps: the filters of two partial indexes are about the same fields, and
	// only the server can tell whether they mean the same.
	perhaps
	same
)

// plainTwin finds, for a unique index, one that is otherwise the same and stands as
// a plain one. Both can stand together on the source, but not as long as the unique
// one is plain as well: it must wait until it can be built as what it is. A twin is
// one that is not unique; among unique ones alone, such as collMod makes of plain
// ones, it is the first by name.
func (c Collection) plainTwin(unique Index) (twin Index, alike likeness) {
	if !unique.Unique() {
		return Index{}, different
	}
	for _, other := range c.secondary() {
		if other.Unique() || other.Name == unique.Name {
			continue
		}
		if l := unique.like(other); l > alike {
			twin, alike = other, l
		}
	}
	if alike != different {
		return twin, alike
	}
	for _, other := range c.secondary() {
		first := other.Name < unique.Name && (alike == different || other.Name < twin.Name)
		if first && other.Unique() && unique.like(other) == same {
			twin, alike = other, same
		}
	}
	return twin, alike
}

func (c Collection) hasPlainTwin(unique Index) bool {
	_, alike := c.plainTwin(unique)
	return alike != different
}

// like goes by what tells indexes apart on the server: keys (numbers by value:
// 1, 1.0 and NumberLong(1) are one), collation, sparse, and the filter of a
// partial index by its meaning. Other options are changed, not compared.
func (i Index) like(other Index) likeness {
	if !sameKeys(i.key(), other.key()) || i.flag("sparse") != other.flag("sparse") || !sameOptional(i, other, "collation") {
		return different
	}
	switch {
	case sameOptional(i, other, "partialFilterExpression"):
		return same
	case slices.Equal(i.filterFields(), other.filterFields()):
		return perhaps
	default:
		return different
	}
}

func sameKeys(a, b bson.Raw) bool {
	x, errX := a.Elements()
	y, errY := b.Elements()
	if errX != nil || errY != nil {
		return false
	}
	return slices.EqualFunc(x, y, func(p, q bson.RawElement) bool {
		return p.Key() == q.Key() && (p.Value().Equal(q.Value()) || sameNumber(p.Value(), q.Value()))
	})
}

// sameOptional compares a document among the options; two that lack it are the same.
func sameOptional(a, b Index, option string) bool {
	x, hasX := a.Spec.Lookup(option).DocumentOK()
	y, hasY := b.Spec.Lookup(option).DocumentOK()
	return hasX == hasY && (!hasX || sameFields(x, y))
}

// filterFields are the fields that the filter of a partial index is about, nil for
// an index that is not partial.
func (i Index) filterFields() []string {
	filter, ok := i.Spec.Lookup("partialFilterExpression").DocumentOK()
	if !ok {
		return nil
	}
	names := map[string]bool{}
	collectFields(filter, names)
	return append([]string{""}, slices.Sorted(maps.Keys(names))...)
}

func collectFields(filter bson.Raw, names map[string]bool) {
	elements, _ := filter.Elements() // the server has stored it
	for _, e := range elements {
		parts, isList := e.Value().ArrayOK()
		if !strings.HasPrefix(e.Key(), "$") || !isList {
			names[e.Key()] = true
			continue
		}
		values, _ := parts.Values()
		for _, v := range values {
			if part, ok := v.DocumentOK(); ok {
				collectFields(part, names)
			}
		}
	}
}
