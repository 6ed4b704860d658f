package random

import (
	"go.mongodb.org/mongo-driver/v2/bson"
)

// change makes a command that changes documents.
func (g *Generator) change() Operation {
	at, c := g.some(func(c *collection) bool { return c.kind != view })
	switch {
	case c == nil:
		return g.create()
	case c.kind == series:
		return g.measure(at)
	}
	inserts := 30
	if c.kind == capped {
		inserts = 60
	}
	doc := pick(g.r, []choice[func(string) bson.D]{
		{inserts, g.insert}, {40, g.update}, {8, g.remove}, {8, g.findAndModify},
	})(at.name)
	return Operation{Doc: append(doc, bson.E{Key: "$db", Value: at.db})}
}

func (g *Generator) insert(coll string) bson.D {
	docs := bson.A{}
	n := one(g, 1, 1, 1, 2, 3, 8)
	if g.maybe(2) {
		n = 60
	}
	for range n {
		docs = append(docs, g.document())
	}
	out := d("insert", coll, "documents", docs)
	if n > 1 && g.maybe(50) {
		out = append(out, bson.E{Key: "ordered", Value: false})
	}
	return out
}

// measure adds to, or deletes from, a time series.
func (g *Generator) measure(at place) Operation {
	if g.maybe(10) {
		return Operation{Doc: d("delete", at.name, "deletes", bson.A{d("q", d("m", int32(g.r.IntN(3))), "limit", int32(0))}, "$db", at.db)}
	}
	docs := bson.A{}
	for range 1 + g.r.IntN(4) {
		doc := d("t", bson.DateTime(1_700_000_000_000+int64(g.r.IntN(5000))*1000), "m", int32(g.r.IntN(3)))
		docs = append(docs, append(doc, d("v", g.value(1), one(g, "w", "x"), g.scalar())...))
	}
	return Operation{Doc: d("insert", at.name, "documents", docs, "$db", at.db)}
}

// query finds one document by its _id most of the time.
func (g *Generator) query() bson.D {
	switch n := g.r.IntN(20); {
	case n < 15:
		return d("_id", d("$eq", g.id()))
	case n < 16:
		return d()
	case n < 18:
		return d(one(g, plainFields...), d("$exists", g.maybe(50)))
	default:
		return d("_id", d("$gte", g.number()))
	}
}

func (g *Generator) update(coll string) bson.D {
	updates := bson.A{}
	for range one(g, 1, 1, 1, 1, 2, 3) {
		updates = append(updates, g.statement())
	}
	return d("update", coll, "updates", updates)
}

// statement is one of an update command.
func (g *Generator) statement() bson.D {
	out := d("q", g.query())
	change := pick(g.r, []choice[func() bson.D]{{55, g.modifiers}, {25, g.pipeline}, {12, g.replacement}, {8, g.positional}})()
	out = append(out, change...)
	_, isReplacement := change[0].Value.(bson.D)
	isReplacement = isReplacement && !isModifier(change[0].Value.(bson.D))
	if !isReplacement && g.maybe(20) {
		out = append(out, bson.E{Key: "multi", Value: true})
	}
	if g.maybe(25) {
		out = append(out, bson.E{Key: "upsert", Value: true})
	}
	return out
}

func isModifier(u bson.D) bool { return len(u) > 0 && u[0].Key != "" && u[0].Key[0] == '$' }

func (g *Generator) replacement() bson.D {
	doc := g.fields(1+g.r.IntN(6), 2)
	for len(doc) > 0 && isModifier(doc) {
		doc = doc[1:]
	}
	return d("u", doc)
}

func (g *Generator) remove(coll string) bson.D {
	limit := int32(1)
	if g.maybe(15) {
		limit = 0
	}
	return d("delete", coll, "deletes", bson.A{d("q", g.query(), "limit", limit)})
}

func (g *Generator) findAndModify(coll string) bson.D {
	out := d("findAndModify", coll, "query", g.query(), "sort", d("_id", one(g, int32(1), int32(-1))))
	if g.maybe(30) {
		return append(out, bson.E{Key: "remove", Value: true})
	}
	change := pick(g.r, []choice[func() bson.D]{{50, g.modifiers}, {30, g.pipeline}, {20, g.replacement}})()
	out = append(out, bson.E{Key: "update", Value: change[0].Value}, bson.E{Key: "new", Value: g.maybe(50)})
	if g.maybe(30) {
		out = append(out, bson.E{Key: "upsert", Value: true})
	}
	return out
}

// path is a field, or something below one.
func (g *Generator) path() string {
	f := one(g, plainFields...)
	switch g.r.IntN(10) {
	case 0:
		return f + "." + one(g, plainFields...)
	case 1:
		return "l." + one(g, "0", "1", "2", "7")
	case 2:
		return "l." + one(g, "0", "1") + "." + one(g, plainFields...)
	case 3:
		return f + "." + one(g, plainFields...) + "." + one(g, plainFields...)
	default:
		return f
	}
}

// modifiers makes one to three different ones.
func (g *Generator) modifiers() bson.D {
	u := bson.D{}
	used := map[string]bool{}
	for range 1 + g.r.IntN(3) {
		m := g.modifier()
		if !used[m.Key] {
			used[m.Key] = true
			u = append(u, m)
		}
	}
	return d("u", u)
}

func (g *Generator) modifier() bson.E {
	m := func(name string, pairs ...any) bson.E { return bson.E{Key: name, Value: d(pairs...)} }
	return pick(g.r, []choice[func() bson.E]{
		{30, func() bson.E {
			set := bson.D{}
			for range 1 + g.r.IntN(4) {
				set = append(set, bson.E{Key: g.path(), Value: g.value(2)})
			}
			return bson.E{Key: "$set", Value: set}
		}},
		{10, func() bson.E { return m("$unset", g.path(), "") }},
		{8, func() bson.E { return m("$inc", g.path(), g.number()) }},
		{3, func() bson.E { return m("$mul", g.path(), g.number()) }},
		{3, func() bson.E { return m("$min", g.path(), g.scalar()) }},
		{3, func() bson.E { return m("$max", g.path(), g.scalar()) }},
		{6, func() bson.E { return m("$rename", g.path(), one(g, "r", "a", "z.r", "n")) }},
		{12, func() bson.E { return bson.E{Key: "$push", Value: d("l", g.push())} }},
		{4, func() bson.E { return m("$push", g.path(), g.value(1)) }},
		{4, func() bson.E { return m("$addToSet", "l", d("$each", g.array(1))) }},
		{4, func() bson.E { return m("$pop", "l", one(g, int32(1), int32(-1))) }},
		{4, func() bson.E { return m("$pull", "l", g.scalar()) }},
		{2, func() bson.E { return m("$pullAll", "l", g.array(0)) }},
		{2, func() bson.E { return m("$bit", g.path(), d("xor", int32(g.r.IntN(8)))) }},
		{2, func() bson.E { return m("$currentDate", "date", true) }},
		{3, func() bson.E { return m("$setOnInsert", g.path(), g.value(1)) }},
		{2, func() bson.E { return m("$set", "pad", g.pad()) }},
	})()
}

func (g *Generator) push() bson.D {
	out := d("$each", g.array(1))
	if g.maybe(40) {
		out = append(out, bson.E{Key: "$slice", Value: int32(g.r.IntN(8) - 4)})
	}
	if g.maybe(30) {
		out = append(out, bson.E{Key: "$position", Value: int32(g.r.IntN(3))})
	} else if g.maybe(30) {
		out = append(out, bson.E{Key: "$sort", Value: int32(1)})
	}
	return out
}

// positional changes elements of arrays that are found by what they are.
func (g *Generator) positional() bson.D {
	if g.maybe(40) {
		return d("u", d("$set", d("l.$[]"+one(g, "", ".k"), g.value(1))))
	}
	return d("u", d("$set", d("l.$[e]"+one(g, "", ".k", ".l.0"), g.value(1))), "arrayFilters", bson.A{d(one(g, "e", "e.k"), d("$gte", g.number()))})
}

func (g *Generator) pipeline() bson.D {
	stages := bson.A{}
	for range 1 + g.r.IntN(3) {
		stages = append(stages, g.stage())
	}
	return d("u", stages)
}

// stage changes a document as a modifier cannot: the order of its fields, names
// that are no path, arrays that become shorter.
func (g *Generator) stage() bson.D {
	root := "$$ROOT"
	replace := func(with any) bson.D { return d("$replaceWith", with) }
	setField := func(name, value any) bson.D {
		return replace(d("$setField", d("field", name, "input", root, "value", value)))
	}
	literal := func() bson.D { return d("$literal", g.value(2)) }
	isArray := func(field string, then any) bson.D {
		return d("$set", d(field, d("$cond", bson.A{d("$isArray", "$"+field), then, "$" + field})))
	}
	return pick(g.r, []choice[func() bson.D]{
		{25, func() bson.D { return d("$set", d(one(g, "a", "b", "z", "n", "10", "9"), literal())) }},
		{10, func() bson.D { return d("$set", d(g.path(), literal())) }},
		{12, func() bson.D { return d("$unset", one(g, plainFields...)) }},
		{10, func() bson.D {
			return replace(d("$mergeObjects", bson.A{g.literalFields(), root}))
		}},
		{5, func() bson.D {
			return replace(d("$arrayToObject", d("$reverseArray", d("$objectToArray", root))))
		}},
		{5, func() bson.D { return setField("dot.ted", literal()) }},
		{5, func() bson.D { return setField(d("$literal", one(g, "$dollar", "$set")), literal()) }},
		{3, func() bson.D { return setField(one(g, "dot.ted", "a", "e.0"), "$$REMOVE") }},
		{12, func() bson.D { return isArray("l", d("$slice", bson.A{"$l", one(g, int32(1), int32(2), int32(-2))})) }},
		{6, func() bson.D { return isArray("l", d("$concatArrays", bson.A{"$l", d("$literal", g.array(1))})) }},
		{4, func() bson.D { return isArray("l", d("$reverseArray", "$l")) }},
		{4, func() bson.D { return d("$set", d("a", "$b", "b", "$a")) }},
	})()
}

func (g *Generator) literalFields() bson.D {
	out := bson.D{}
	for range 1 + g.r.IntN(3) {
		out = append(out, bson.E{Key: one(g, "a", "b", "n", "z", "y", "k"), Value: d("$literal", g.value(1))})
	}
	return unique(out)
}

func unique(doc bson.D) bson.D {
	seen := map[string]bool{}
	out := bson.D{}
	for _, e := range doc {
		if !seen[e.Key] {
			seen[e.Key] = true
			out = append(out, e)
		}
	}
	return out
}
