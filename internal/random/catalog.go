package random

import (
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

type kind int

const (
	plain kind = iota
	capped
	clustered
	collated
	series
	view
	functions // system.js
)

// collection is what the model knows of one.
type collection struct {
	kind    kind
	indexes []string
}

// some gives one of the collections that are wanted, nil when there is none.
func (g *Generator) some(wanted func(*collection) bool) (place, *collection) {
	var all []place
	for p, c := range g.collections {
		if wanted(c) {
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		return place{}, nil
	}
	slices.SortFunc(all, func(a, b place) int { return strings.Compare(a.String(), b.String()) })
	p := one(g, all...)
	return p, g.collections[p]
}

func stored(c *collection) bool   { return c.kind != view }
func ordinary(c *collection) bool { return c.kind <= collated }

// far is an expiry that even dates of 1970 are far from.
func (g *Generator) far() any { return int32(2_100_000_000 + g.r.IntN(1000)) }

var collation = bson.D{{Key: "locale", Value: "en"}, {Key: "strength", Value: int32(2)}}

func (g *Generator) create() Operation {
	at := g.free()
	k := pick(g.r, []choice[kind]{{30, plain}, {20, capped}, {12, clustered}, {15, collated}, {10, series}, {10, view}, {3, functions}})
	taken := func() { g.collections[at] = &collection{kind: k} }
	doc := d("create", at.name)
	add := func(pairs ...any) { doc = append(doc, d(pairs...)...) }
	switch k {
	case plain:
		if g.maybe(30) {
			add("validator", d("never", d("$exists", false)))
		}
		if g.maybe(20) {
			add("changeStreamPreAndPostImages", d("enabled", true))
		}
	case capped:
		add("capped", true, "size", int64(one(g, 4096, 1<<20, 1<<24)))
		if g.maybe(60) {
			add("max", int64(2+g.r.IntN(6)))
		}
		if g.maybe(20) {
			add("collation", collation)
		}
	case clustered:
		add("clusteredIndex", d("key", d("_id", int32(1)), "unique", true))
		if g.maybe(30) {
			add("expireAfterSeconds", g.far())
		}
		if g.maybe(20) {
			add("collation", collation)
		}
	case collated:
		add("collation", one(g, collation, d("locale", "de", "strength", int32(1)), d("locale", "en", "numericOrdering", true)))
	case series:
		add("timeseries", d("timeField", "t", "metaField", "m", "granularity", one(g, "seconds", "minutes")))
		if g.maybe(30) {
			add("expireAfterSeconds", g.far())
		}
	case view:
		add("viewOn", one(g, names...), "pipeline", bson.A{d("$match", d("n", g.number()))})
	case functions:
		at.name = "system.js"
		return Operation{Doc: d("insert", at.name, "documents", bson.A{d("_id", "f", "value", int32(g.r.IntN(5)))}, "$db", at.db), taken: taken}
	}
	return Operation{Doc: append(doc, bson.E{Key: "$db", Value: at.db}), taken: taken}
}

func (g *Generator) drop() Operation {
	at, c := g.some(func(c *collection) bool { return c.kind != functions })
	if c == nil {
		return g.create()
	}
	return Operation{Doc: d("drop", at.name, "$db", at.db), taken: func() { delete(g.collections, at) }}
}

// rename goes to a free name, over another collection, or into the other
// database.
func (g *Generator) rename() Operation {
	at, c := g.some(ordinary)
	if c == nil {
		return g.create()
	}
	to := g.free()
	if g.maybe(40) {
		to, _ = g.some(ordinary)
	}
	return Operation{
		Doc: d("renameCollection", at.String(), "to", to.String(), "dropTarget", g.maybe(60), "$db", "admin"),
		taken: func() {
			delete(g.collections, at)
			g.collections[to] = c
		},
	}
}

func (g *Generator) createIndex() Operation {
	at, c := g.some(stored)
	if c == nil {
		return g.create()
	}
	var specs bson.A
	var made []string
	for range one(g, 1, 1, 1, 2) {
		spec := g.index(c)
		specs = append(specs, spec)
		made = append(made, spec[0].Value.(string))
	}
	return Operation{Doc: d("createIndexes", at.name, "indexes", specs, "$db", at.db), taken: func() { c.indexes = append(c.indexes, made...) }}
}

// index makes a specification; its name comes first. Those of a kind of their own
// have names of their own: see indexChange.
func (g *Generator) index(c *collection) bson.D {
	name, special := fmt.Sprintf("i%d", g.r.IntN(6)), fmt.Sprintf("s%d", g.r.IntN(3))
	if c.kind == series {
		return d("name", special, "key", one(g, d("m", int32(1), "t", int32(-1)), d("t", int32(1)), d("m.x", int32(1))))
	}
	f := one(g, "n", "m", "u", "k")
	up := one[any](g, int32(1), int32(1), int32(-1), int64(1), 1.0)
	return pick(g.r, []choice[func() bson.D]{
		{20, func() bson.D { return d("name", name, "key", d(f, up)) }},
		{10, func() bson.D { return d("name", name, "key", d(f, up, "z", up)) }},
		{12, func() bson.D {
			return d("name", name, "key", d(f, int32(1)), "unique", true, "partialFilterExpression", d(f, d("$type", "string")))
		}},
		{12, func() bson.D { return d("name", name, "key", d("never", int32(1)), "unique", true, "sparse", true) }},
		{8, func() bson.D { return d("name", name, "key", d("never", int32(1))) }},
		{8, func() bson.D { return d("name", name, "key", d("never", int32(1)), "prepareUnique", true) }},
		{10, func() bson.D { return d("name", name, "key", d("date", int32(1)), "expireAfterSeconds", g.far()) }},
		{6, func() bson.D { return d("name", name, "key", d(f, int32(1)), "sparse", true, "hidden", true) }},
		{5, func() bson.D { return d("name", special, "key", d("text", "text")) }},
		{5, func() bson.D { return d("name", special, "key", d("$**", int32(1))) }},
		{5, func() bson.D { return d("name", special, "key", d("never", "hashed")) }},
		{5, func() bson.D { return d("name", special, "key", d("place", "2dsphere")) }},
		{5, func() bson.D { return d("name", name, "key", d(f, int32(1)), "collation", d("locale", "fr")) }},
		{3, func() bson.D { return d("name", name, "key", d(f, int32(1)), "collation", d("locale", "simple")) }},
	})()
}

func (g *Generator) dropIndex() Operation {
	at, c := g.some(func(c *collection) bool { return len(c.indexes) > 0 })
	if c == nil {
		return g.createIndex()
	}
	name := one(g, c.indexes...)
	if g.maybe(10) {
		return Operation{Doc: d("dropIndexes", at.name, "index", "*", "$db", at.db), taken: func() { c.indexes = nil }}
	}
	return Operation{Doc: d("dropIndexes", at.name, "index", name, "$db", at.db), taken: func() {
		c.indexes = slices.DeleteFunc(c.indexes, func(n string) bool { return n == name })
	}}
}

// modify is collMod.
func (g *Generator) modify() Operation {
	at, c := g.some(func(c *collection) bool { return c.kind != functions }) // its options outlive a drop on the destination
	if c == nil {
		return g.create()
	}
	doc := d("collMod", at.name)
	add := func(pairs ...any) { doc = append(doc, d(pairs...)...) }
	switch {
	case c.kind == view:
		add("viewOn", one(g, names...), "pipeline", bson.A{d("$project", d("n", int32(1)))})
	case c.kind == series && g.maybe(50):
		add("timeseries", d("granularity", one(g, "minutes", "hours")))
	case c.kind == series || (c.kind == clustered && g.maybe(50)):
		add("expireAfterSeconds", one(g, g.far(), any("off")))
	case c.kind == capped && g.maybe(50):
		add(one(g, "cappedSize", "cappedMax"), int64(one(g, 5, 4096, 1<<20)))
	case len(c.indexes) > 0 && g.maybe(70):
		add("index", g.indexChange(one(g, c.indexes...)))
	case g.maybe(50):
		add("validator", one(g, d(), d("never", d("$exists", false)), d("a", d("$exists", true))),
			"validationLevel", one(g, "off", "moderate"), "validationAction", one(g, "warn", "error"))
	default:
		add("changeStreamPreAndPostImages", d("enabled", g.maybe(50)))
	}
	return Operation{Doc: append(doc, bson.E{Key: "$db", Value: at.db})}
}

// indexChange asks for no expiry of a special index: MongoDB 6.0.27 gives one to a
// wildcard index, and dies of it.
func (g *Generator) indexChange(name string) bson.D {
	if strings.HasPrefix(name, "s") {
		return d("name", name, "hidden", g.maybe(50))
	}
	return append(d("name", name), one(g,
		d("hidden", true), d("hidden", false), d("expireAfterSeconds", g.far()), d("prepareUnique", true), d("prepareUnique", false),
		d("unique", true), d("prepareUnique", true), d("unique", true))...)
}

// out writes the result of an aggregation over another collection.
func (g *Generator) out() Operation {
	at, c := g.some(stored)
	if c == nil {
		return g.create()
	}
	to := g.free()
	if g.maybe(50) {
		to, _ = g.some(ordinary)
	}
	if to.name == "" {
		return g.create()
	}
	doc := d("aggregate", at.name, "pipeline", bson.A{d("$match", d("n", d("$exists", true))), d("$out", d("db", to.db, "coll", to.name))},
		"cursor", d(), "$db", at.db)
	return Operation{Doc: doc, taken: func() {
		if old := g.collections[to]; old == nil {
			g.collections[to] = &collection{kind: plain}
		}
	}}
}

func (g *Generator) merge() Operation {
	at, c := g.some(stored)
	to, into := g.some(ordinary)
	if c == nil || into == nil {
		return g.create()
	}
	return Operation{Doc: d("aggregate", at.name, "pipeline", bson.A{
		d("$match", d("_id", d("$lte", g.number()))),
		d("$merge", d("into", d("db", to.db, "coll", to.name), "whenMatched", one(g, "replace", "merge", "keepExisting"))),
	}, "cursor", d(), "$db", at.db)}
}

func (g *Generator) toCapped() Operation {
	at, c := g.some(func(c *collection) bool { return c.kind == plain })
	if c == nil {
		return g.create()
	}
	size := int64(one(g, 4096, 1<<20))
	if g.maybe(50) {
		return Operation{Doc: d("convertToCapped", at.name, "size", size, "$db", at.db), taken: func() { g.collections[at] = &collection{kind: capped} }}
	}
	to := place{at.db, g.free().name}
	return Operation{Doc: d("cloneCollectionAsCapped", at.name, "toCollection", to.name, "size", size, "$db", at.db),
		taken: func() { g.collections[to] = &collection{kind: capped} }}
}
