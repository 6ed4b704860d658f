package random

import "go.mongodb.org/mongo-driver/v2/bson"

// daring is how many transactions in a hundred hold a change of any kind, which the
// server may refuse, and with it the whole transaction.
const daring = 15

// transaction makes several changes at once; some are taken back, some make a
// collection.
func (g *Generator) transaction() Operation {
	var ops bson.A
	dares := g.maybe(daring)
	for range 2 + g.r.IntN(4) {
		ops = append(ops, g.changeTogether(dares))
	}
	aborts := g.maybe(20)
	taken := func() {}
	if g.maybe(15) {
		at := g.free()
		ops = append(ops, d("create", at.name, "$db", at.db), d("insert", at.name, "documents", bson.A{g.document()}, "$db", at.db))
		taken = func() { g.collections[at] = &collection{kind: plain} }
	}
	doc := d("transaction", ops)
	if aborts {
		return Operation{Doc: append(doc, bson.E{Key: "abort", Value: true})}
	}
	return Operation{Doc: doc, taken: taken}
}

// changeTogether makes a change that a transaction can hold: capped collections,
// time series and stored functions take none, and one refusal ends all. Most are
// such as documents of any form allow.
func (g *Generator) changeTogether(dares bool) bson.D {
	at, c := g.some(func(c *collection) bool { return ordinary(c) && c.kind != capped })
	if c == nil || dares && g.maybe(50) {
		return g.change().Doc
	}
	doc := pick(g.r, []choice[func(string) bson.D]{
		{30, g.insertNew}, {20, g.put}, {20, g.setPlain}, {10, g.remove}, {10, g.exchange},
	})(at.name)
	return append(doc, bson.E{Key: "$db", Value: at.db})
}

// insertNew inserts documents that are nowhere yet.
func (g *Generator) insertNew(coll string) bson.D {
	docs := bson.A{}
	for range one(g, 1, 1, 2, 5) {
		g.serial++
		docs = append(docs, append(d("_id", d("new", g.serial)), g.fields(1+g.r.IntN(6), 2)...))
	}
	return d("insert", coll, "documents", docs)
}

// known is an _id: one that documents meet at, or one of insertNew.
func (g *Generator) known() any {
	if g.serial > 0 && g.maybe(50) {
		return d("new", 1+g.r.Int64N(g.serial))
	}
	return g.id()
}

// put replaces a document, whether or not it is there.
func (g *Generator) put(coll string) bson.D {
	statement := append(d("q", d("_id", d("$eq", g.known()))), g.replacement()...)
	return d("update", coll, "updates", bson.A{append(statement, bson.E{Key: "upsert", Value: g.maybe(70)})})
}

// setPlain sets top-level fields, or takes them away.
func (g *Generator) setPlain(coll string) bson.D {
	set := bson.D{}
	for range 1 + g.r.IntN(3) {
		set = append(set, bson.E{Key: one(g, plainFields...), Value: g.value(2)})
	}
	change := d("$set", unique(set))
	if g.maybe(25) {
		change = d("$unset", d(one(g, plainFields...), ""))
	}
	statement := d("q", one(g, d("_id", d("$eq", g.known())), d("_id", d("$gte", g.number()))), "u", change)
	return d("update", coll, "updates", bson.A{append(statement, bson.E{Key: "multi", Value: g.maybe(30)})})
}

// exchange gives two fields each other's values by a pipeline, or takes one away.
func (g *Generator) exchange(coll string) bson.D {
	a, b := one(g, "a", "b", "z"), one(g, "n", "k", "y")
	stages := one(g, bson.A{d("$set", d(a, "$"+b, b, "$"+a))}, bson.A{d("$unset", a)})
	return d("update", coll, "updates", bson.A{d("q", d("_id", d("$eq", g.known())), "u", stages)})
}
