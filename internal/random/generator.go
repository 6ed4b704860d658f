package random

import (
	"fmt"
	"math/rand/v2"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Placeholders of the two databases, as scenarios have them.
const (
	first  = "%DB%"
	second = "%DB2%"
)

// Generator makes operations. It keeps a model of what its writer has made, so
// that most of them make sense; the server refuses the rest.
type Generator struct {
	r *rand.Rand
	// collections are what stands, by database and name.
	collections map[place]*collection
	// room is how many bytes of large documents may still be made.
	room int
	// sparesViews: see ExpectFence.
	sparesViews bool
	// serial numbers documents whose _id nothing else has.
	serial int64
}

// place is a namespace with a placeholder for its database.
type place struct{ db, name string }

func (p place) String() string { return p.db + "." + p.name }

// largeBytes bounds the large documents of one generator.
const largeBytes = 24 << 20

// NewGenerator gives the generator of a writer; the same seed and number make the
// same operations as long as the server answers alike.
func NewGenerator(seed uint64, writer int) *Generator {
	return &Generator{
		r: rand.New(rand.NewPCG(seed, uint64(writer))), collections: map[place]*collection{}, room: largeBytes,
	}
}

// Operation is one operation in a scenario's form, and what it does to the model
// when the server has taken it.
type Operation struct {
	Doc   bson.D
	taken func()
}

// Kind is the name of the command, or "transaction".
func Kind(doc bson.D) string { return doc[0].Key }

func d(pairs ...any) bson.D {
	out := make(bson.D, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, bson.E{Key: pairs[i].(string), Value: pairs[i+1]})
	}
	return out
}

// choice is one of several things that are done so often.
type choice[T any] struct {
	weight int
	make   T
}

func pick[T any](r *rand.Rand, choices []choice[T]) T {
	total := 0
	for _, c := range choices {
		total += c.weight
	}
	n := r.IntN(total)
	for _, c := range choices {
		if n -= c.weight; n < 0 {
			return c.make
		}
	}
	panic("weights are positive")
}

func one[T any](g *Generator, of ...T) T { return of[g.r.IntN(len(of))] }

// maybe is true so many times in a hundred.
func (g *Generator) maybe(percent int) bool { return g.r.IntN(100) < percent }

// Next makes the next operation.
func (g *Generator) Next() Operation {
	if len(g.collections) == 0 {
		return g.create()
	}
	return pick(g.r, []choice[func() Operation]{
		{70, g.change}, {6, g.transaction}, {5, g.create}, {3, g.drop}, {4, g.rename}, {8, g.createIndex}, {3, g.dropIndex},
		{6, g.modify}, {2, g.out}, {2, g.merge}, {1, g.toCapped}, {1, g.rare},
	})()
}

// ExpectFence says that writes may be blocked from now on. Then views, and time series,
// which are views of their buckets, are never dropped all at once, alone or with their
// database: MongoDB 6.0.27 refuses it and forgets them all the same, until it starts
// again, so that its catalog no longer is what it has stored.
func (g *Generator) ExpectFence() { g.sparesViews = true }

// rare is what takes much away.
func (g *Generator) rare() Operation {
	if g.maybe(60) && !g.sparesViews {
		return Operation{Doc: d("drop", "system.views", "$db", g.database())}
	}
	db := g.database()
	if g.sparesViews && g.hasViews(db) {
		return g.drop()
	}
	return Operation{Doc: d("dropDatabase", 1, "$db", db), taken: func() {
		for p := range g.collections {
			if p.db == db {
				delete(g.collections, p)
			}
		}
	}}
}

func (g *Generator) hasViews(db string) bool {
	for p, c := range g.collections {
		if p.db == db && (c.kind == view || c.kind == series) {
			return true
		}
	}
	return false
}

func (g *Generator) database() string {
	if g.maybe(80) {
		return first
	}
	return second
}

// names of collections: few, so that they are used again.
var names = []string{"a", "b", "c", "d", "dotted.name", "with space", "ünï", "g"}

// free gives a place where, as far as the model knows, nothing is.
func (g *Generator) free() place {
	for {
		p := place{g.database(), one(g, names...)}
		if g.maybe(5) {
			p.name = fmt.Sprintf("more%d", g.r.IntN(20))
		}
		if g.collections[p] == nil || g.maybe(5) {
			return p
		}
	}
}
