package replication

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
	"mongoferry/internal/random"
)

// Commands on the source, in short.

func e(key string, value any) bson.E { return bson.E{Key: key, Value: value} }

func d(pairs ...any) bson.D {
	out := bson.D{}
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, e(pairs[i].(string), pairs[i+1]))
	}
	return out
}

func insert(coll string, docs ...bson.D) bson.D {
	return bson.D{e("insert", coll), e("documents", docs)}
}

func update(coll string, id, change any) bson.D {
	return bson.D{e("update", coll), e("updates", bson.A{bson.D{e("q", d("_id", id)), e("u", change), e("upsert", true)}})}
}

func updateMany(coll string, change any) bson.D {
	return bson.D{e("update", coll), e("updates", bson.A{bson.D{e("q", d()), e("u", change), e("multi", true)}})}
}

// numbered is documents from an _id up to another.
func numbered(from, to int) (docs []bson.D) {
	for id := from; id < to; id++ {
		docs = append(docs, d("_id", id, "n", id))
	}
	return docs
}

func remove(coll string, id any) bson.D {
	return bson.D{e("delete", coll), e("deletes", bson.A{bson.D{e("q", d("_id", id)), e("limit", 1)}})}
}

func create(coll string, options ...bson.E) bson.D {
	return append(bson.D{e("create", coll)}, options...)
}

func drop(coll string) bson.D { return bson.D{e("drop", coll)} }

func index(coll, name string, key bson.D, options ...bson.E) bson.D {
	return bson.D{e("createIndexes", coll), e("indexes", bson.A{append(bson.D{e("name", name), e("key", key)}, options...)})}
}

// An _id and a document that do not go into one event.
var large, larger = strings.Repeat("k", 3<<20), strings.Repeat("x", 10<<20)

// measure inserts into a time-series collection.
func measure(coll string, meta, second int) bson.D {
	return insert(coll, d("t", bson.DateTime(1_700_000_000_000+1000*int64(second)), "m", meta, "v", second))
}

// rename goes to admin; db is the test's.
func rename(db, from, to string, dropTarget bool) bson.D {
	return bson.D{e("renameCollection", db+"."+from), e("to", db+"."+to), e("dropTarget", dropTarget), e("$db", "admin")}
}

// history is a piece of a source's life.
type history struct {
	name          string
	before, after func(db string) []bson.D
}

func commands(list ...bson.D) func(string) []bson.D { return func(string) []bson.D { return list } }

// histories are lives that once went wrong, or may.
func histories() []history {
	set := func(pairs ...any) bson.D { return d("$set", d(pairs...)) }
	return []history{
		{"documents", commands(insert("c", d("_id", 1, "a", 1), d("_id", 2, "a", 1), d("_id", 3))), commands(
			update("c", 1, set("z", 1, "b", 2)), update("c", 1, set("a", bson.A{1, 2, 3})), update("c", 1, d("$unset", d("b", 1), "$set", d("y", 1))),
			update("c", 2, d("_id", 2, "new", "whole")), remove("c", 3), insert("c", d("_id", 4, "x", 1)), update("c", 4, set("x", 2)), remove("c", 4),
			insert("c", d("_id", 4, "back", true)), update("c", 5, set("upserted", true)))},
		{"many documents at once", commands(insert("c", numbered(0, 20)...), insert("d", numbered(0, 20)...), index("c", "n", d("n", 1))), commands(
			updateMany("c", set("n", -1, "z", 1)), updateMany("c", set("b", 1, "n", -2)), updateMany("d", bson.A{d("$unset", "n"), d("$set", d("y", 1)), d("$set", d("a", 2))}),
			insert("c", numbered(20, 40)...), updateMany("c", d("$unset", d("z", 1), "$set", d("a", 1))), updateMany("c", set("z", 9)),
			bson.D{e("delete", "c"), e("deletes", bson.A{d("q", d("_id", d("$mod", bson.A{4, 1})), "limit", 0)})}, insert("c", numbered(41, 42)...),
			update("c", 4, d("_id", 4, "new", "whole")), update("d", 4, d("_id", 4, "new", "whole")), update("d", 4, set("more", 1)))},
		{"order of new fields", commands(insert("c", d("_id", 1))), commands(
			update("c", 1, bson.A{d("$set", d("z", 1)), d("$set", d("a", 2))}), update("c", 1, bson.A{d("$unset", "z"), d("$set", d("b", 1, "z", 9))}),
			update("c", 1, bson.A{d("$set", d("10", 1)), d("$set", d("9", 1))}))},
		{"fields that move", commands(insert("c", d("_id", 1, "b", 1, "c", 2, "y", 3, "pad", strings.Repeat("x", 500)))), commands(
			update("c", 1, bson.A{d("$replaceWith", d("$mergeObjects", bson.A{d("pad", 0, "y", 0), "$$ROOT"}))}),
			update("c", 1, bson.A{d("$replaceWith", d("$mergeObjects", bson.A{d("y", 0, "new", 1), "$$ROOT"}))}))},
		{"paths that say too little", commands(insert("c", d("_id", 1, "a", d("b", 1), "l", bson.A{d("x", 1), 2, 3, 4}))), commands(
			update("c", 1, set("a.b", 2, "l.0.x", 5)), update("c", 1, d("$push", d("l", d("$each", bson.A{7}, "$slice", -3)))),
			update("c", 1, bson.A{d("$replaceWith", d("$setField", d("field", "dotted.name", "input", "$$ROOT", "value", 1)))}),
			update("c", 1, bson.A{d("$replaceWith", d("$setField", d("field", d("$literal", "$dollar"), "input", "$$ROOT", "value", 1)))}),
			update("c", 1, set("a", 5)), update("c", 1, set("a", d("0", 1))), update("c", 1, set("a.0", 2)))},
		{"equal numbers", commands(insert("c", d("_id", int32(1), "v", 0), d("_id", d("k", int64(2)), "v", 0))), commands(
			update("c", 1.0, set("v", 1)), update("c", d("k", 2.0), set("v", 1)), remove("c", int64(1)), insert("c", d("_id", 1.0, "v", "double")),
			update("c", int32(1), set("w", 1)))},
		{"collation", commands(create("c", e("collation", d("locale", "en", "strength", 2))), insert("c", d("_id", "Anna", "n", 1))), commands(
			remove("c", "anna"), insert("c", d("_id", "ANNA", "n", 2)), update("c", "anna", set("n", 3)), update("c", "berta", set("n", 1)))},
		{"capped", commands(create("c", e("capped", true), e("size", 4096), e("max", 4)), insert("c", d("_id", 1), d("_id", 2), d("_id", 3))), commands(
			insert("c", d("_id", 4), d("_id", 5), d("_id", 6)), update("c", 5, set("same", 1)), insert("c", d("_id", 7)))},
		{"catalog", commands(insert("c", d("_id", 1, "a", 1)), create("empty"), create("v", e("viewOn", "c"), e("pipeline", bson.A{}))), func(db string) []bson.D {
			return []bson.D{
				index("c", "a", d("a", 1), e("unique", true)), index("c", "t", d("t", 1), e("expireAfterSeconds", 3600)), insert("c", d("_id", 2, "a", 2)),
				{e("collMod", "c"), e("validator", d("a", d("$exists", true)))}, {e("collMod", "c"), e("index", d("name", "t", "hidden", true))},
				{e("dropIndexes", "c"), e("index", "t")}, {e("collMod", "v"), e("viewOn", "empty"), e("pipeline", bson.A{d("$match", d("x", 1))})},
				rename(db, "c", "moved", false), insert("c", d("_id", "successor")), update("moved", 1, set("late", 1)),
				rename(db, "c", "moved", true), drop("empty"), create("empty", e("capped", true), e("size", 4096)), drop("v"),
				create("v", e("viewOn", "moved"), e("pipeline", bson.A{})), insert("once", d("_id", 1)), index("once", "x", d("x", 1)), drop("once"),
				create("clustered", e("clusteredIndex", d("key", d("_id", 1), "unique", true))), insert("clustered", d("_id", 1)),
			}
		}},
		{"database", commands(insert("a", d("_id", 1)), create("v", e("viewOn", "a"), e("pipeline", bson.A{}))), commands(
			insert("b", d("_id", 1)), bson.D{e("dropDatabase", 1)}, insert("a", d("_id", "reborn")))},
		{"out of what is migrated", commands(insert("c", d("_id", 1)), insert("stays", d("_id", 1))), func(db string) []bson.D {
			return []bson.D{rename(db, "c", "outside", false), insert("outside", d("_id", 2)), insert("stays", d("_id", 2))}
		}},
		{"an _id used again", commands(create("c", e("capped", true), e("size", 4096), e("max", 2)), insert("c", d("_id", 1), d("_id", 2))), commands(
			insert("c", d("_id", 3)), insert("c", d("_id", 1)), insert("c", d("_id", 4)), insert("c", d("_id", 5), d("_id", 1)), update("c", 5, set("x", 1)))},
		{"alike", commands(create("c", e("collation", d("locale", "en", "strength", 2))), insert("c", d("_id", "x"))), commands(
			insert("c", d("_id", "a")), update("c", "a", set("l", bson.A{1, 2})), update("c", "a", set("l.0", 5)), remove("c", "a"), insert("c", d("_id", "A", "n", 1)),
			remove("c", "X"), insert("c", d("_id", "X")), update("c", "x", set("y.z", 1)))},
		{"twins", commands(insert("c", d("_id", 1, "a", 1)), index("c", "u", d("a", 1), e("unique", true)), index("c", "p", d("a", 1)),
			index("c", "u2", d("b", 1), e("unique", true), e("sparse", true))), commands(
			bson.D{e("dropIndexes", "c"), e("index", "p")}, index("c", "p2", d("b", 1)), insert("c", d("_id", 2, "a", 2)), bson.D{e("dropIndexes", "c"), e("index", "u2")})},
		{"value swap", commands(insert("c", d("_id", 1, "u", 1), d("_id", 2, "u", 2)), index("c", "u", d("u", 1), e("unique", true))), commands(
			update("c", 1, set("u", 0)), update("c", 2, set("u", 1)), update("c", 1, set("u", 2)), remove("c", 2), insert("c", d("_id", 3, "u", 1)))},
		{"out stage", commands(insert("c", d("_id", 1, "n", 1), d("_id", 2, "n", 2)), insert("result", d("_id", "old")), index("result", "n", d("n", 1))), commands(
			bson.D{e("aggregate", "c"), e("pipeline", bson.A{d("$match", d("n", 2)), d("$out", "result")}), e("cursor", d())},
			update("result", 2, set("after", 1)))},
		{"to capped", commands(insert("c", d("_id", 2, "a", 1), d("_id", 1)), index("c", "a", d("a", 1))), commands(
			insert("c", d("_id", 0)), bson.D{e("convertToCapped", "c"), e("size", 8192)}, insert("c", d("_id", 3)), update("c", 1, set("x", 1)),
			bson.D{e("cloneCollectionAsCapped", "c"), e("toCollection", "clone"), e("size", 8192)}, insert("clone", d("_id", -1)))},
		{"into what is migrated", commands(insert("outside", d("_id", 1, "a", 1)), index("outside", "a", d("a", 1), e("unique", true)), insert("in", d("_id", "old"))), func(db string) []bson.D {
			return []bson.D{
				insert("outside", d("_id", 2, "a", 2)), update("outside", 1, set("l", bson.A{1, 2})), rename(db, "outside", "in", true), update("in", 1, set("l.0", 5)),
				index("in", "gone", d("g", 1)), {e("collMod", "in"), e("index", d("name", "gone", "hidden", true))}, {e("dropIndexes", "in"), e("index", "gone")},
				remove("in", 2), insert("outside", d("_id", 7)), rename(db, "outside", "short", false), drop("short"), rename(db, "in", "in2", false),
			}
		}},
		{"time series", commands(create("old", e("timeseries", d("timeField", "t", "metaField", "m"))), measure("old", 1, 1)), commands(
			measure("old", 1, 2), measure("old", 2, 3),
			create("s", e("timeseries", d("timeField", "t", "metaField", "m", "granularity", "seconds")), e("expireAfterSeconds", 1_000_000_000)),
			measure("s", 1, 1), measure("s", 1, 2), index("s", "mt", d("m", 1, "t", -1)), index("s", "part", d("m.x", 1, "t", 1), e("partialFilterExpression", d("m.y", 1))),
			bson.D{e("collMod", "s"), e("timeseries", d("granularity", "minutes"))}, bson.D{e("collMod", "s"), e("index", d("name", "mt", "hidden", true))},
			measure("s", 2, 3), bson.D{e("delete", "s"), e("deletes", bson.A{d("q", d("m", 1), "limit", 0)})}, bson.D{e("dropIndexes", "s"), e("index", "part")},
			create("v", e("viewOn", "s"), e("pipeline", bson.A{})), create("short", e("timeseries", d("timeField", "t"))), drop("short"), drop("old"),
			insert("old", d("_id", "plain")))},
		{"changes that are too large for the stream", commands(insert("c", d("_id", 2), d("_id", "gone"))), commands(
			insert("c", d("_id", large, "pad", larger)), update("c", large, set("pad", strings.Repeat("y", 10<<20))), update("c", large, d("_id", large, "new", larger)),
			update("c", 2, set("x", 1)), remove("c", "gone"), insert("c", d("_id", "gone", "n", 1)), update("c", large, set("x", 1)), insert("c", d("_id", 3)))},
		{"large changes of a capped collection", commands(create("c", e("capped", true), e("size", 64<<20))), commands(
			insert("c", d("_id", 1)), insert("c", d("_id", large, "pad", larger)), insert("c", d("_id", 0)))},
		{"capped, large changes after others", commands(create("c", e("capped", true), e("size", 96<<20))), commands(
			insert("c", d("_id", 1, "pad", larger)), insert("c", d("_id", 2, "pad", larger)), insert("c", d("_id", 3, "pad", larger)),
			insert("c", d("_id", large, "pad", larger)), insert("c", d("_id", 0)))},
		{"a collation, and _id that it is not about", commands(create("c", e("collation", d("locale", "en", "strength", 1))),
			insert("c", d("_id", 1, "below", d("a", 1)), d("_id", "a"), d("_id", d("x", "a")))), commands(
			update("c", 1.0, set("n", 1)), update("c", "A", set("n", 1)), update("c", 1, set("below.a", 2)), update("c", "A", set("below.a", 2)),
			insert("c", d("_id", 2), d("_id", "b")), remove("c", "A"), insert("c", d("_id", "Á", "n", 2)), remove("c", 1), insert("c", d("_id", 1.0, "n", 2)),
			update("c", d("x", "A"), set("below.a", 2)), update("c", 2, set("below.a", 2)), update("c", "B", set("n", 3)), update("c", 2, set("n", 3)),
			remove("c", d("x", "a")), insert("c", d("_id", d("x", "A"))), updateMany("c", set("below.b", 1)), updateMany("c", set("z", 1)))},
		{"an index put off behind catalog changes", commands(
			create("log", e("capped", true), e("size", 1<<20)), insert("c", d("_id", 1, "a", 1, "b", 1, "below", d("n", 1))), index("c", "ab", d("a", 1, "b", 1)), index("c", "x", d("below.n", 1, "_id", -1))), commands(
			insert("log", d("_id", 1), d("_id", 2), d("_id", 3)), insert("d", d("_id", 1, "v", 1)), create("n1"), update("d", 1, d("_id", 1, "v", 2)), create("n2"),
			update("c", 1, set("below.n", 2)), bson.D{e("collMod", "c"), e("index", d("name", "x", "hidden", true))}, bson.D{e("dropIndexes", "c"), e("index", "ab")}, update("c", 1, set("a", bson.A{1, 2}, "b", bson.A{1, 2})))},
		{"functions", commands(insert("system.js", d("_id", "f", "value", bson.JavaScript("function(){}")))), commands(
			insert("system.js", d("_id", "g", "value", 1)), update("system.js", "f", set("x", 1)), remove("system.js", "g"))},
		{"functions in a database that is dropped", commands(insert("system.js", d("_id", "f"))), commands(
			bson.D{e("dropDatabase", 1)}, insert("system.js", d("_id", "g")))},
		{"all views at once", commands(create("v", e("viewOn", "c"), e("pipeline", bson.A{})), create("w", e("viewOn", "c"), e("pipeline", bson.A{}))), commands(
			drop("system.views"), create("w", e("viewOn", "d"), e("pipeline", bson.A{})))},
	}
}

// TestApply applies each history, and then again from its start, as an attempt
// does that knows of no other.
func TestApply(t *testing.T) {
	t.Parallel()
	for _, h := range histories() {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			db := databaseOf(t)
			r := rehearse(t, h.before(db), h.after(db))
			r.reset()
			r.applyTwice(nil)
		})
	}
}

// shutAfter is a gate that lets so many commands through.
type shutAfter struct{ left int }

func (g *shutAfter) Check() error {
	if g.left--; g.left < 0 {
		return errKilled
	}
	return nil
}

var errKilled = errors.New("killed")

// TestKilledBetweenAnyTwoCommands ends an attempt after each number of commands to
// the destination. The next one begins from the start, as when a worker was
// killed, or where the first one says that it has got, as after a pause.
func TestKilledBetweenAnyTwoCommands(t *testing.T) {
	t.Parallel()
	for _, h := range histories() {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			db := databaseOf(t)
			rehearse(t, h.before(db), h.after(db)).killedAnywhere()
		})
	}
}

// killedEvery is the step between the numbers of commands outside of soaks. They
// begin with another one each time.
const killedEvery = 3

// killedAnywhere ends an attempt after each number of commands, until one gets to
// the end; without a soak after every third one.
func (r *rehearsal) killedAnywhere() {
	r.t.Helper()
	first, step := 0, 1
	if !random.Soaking() {
		first, step = int(random.Seed(r.t, random.ClockSeed())%killedEvery), killedEvery
	}
	for n := first; ; n += step {
		r.reset()
		p, err := r.apply(&serialGate{gate: &shutAfter{left: n}}, false)
		if err == nil {
			r.t.Logf("at most %d commands, from %d on", n, first)
			return
		}
		if !errors.Is(err, errKilled) {
			r.t.Fatalf("after %d commands: %v", n, err)
		}
		if n/step%2 == 0 {
			p = Progress{Position: r.begin(), Broken: true}
		}
		if _, err := r.applyFrom(p.Position, nil, p.Broken); err != nil {
			r.t.Fatalf("after an attempt that ended after %d commands: %v", n, err)
		}
		r.same("after an attempt that was killed")
		if r.t.Failed() {
			r.t.Fatalf("it had sent %d commands", n)
		}
	}
}

// TestOvertaken: once another attempt has begun, the first writes nothing more.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	r := rehearse(t, []bson.D{insert("c", d("_id", 1))}, []bson.D{update("c", 1, d("$set", d("x", 1))), create("new"), insert("new", d("_id", 1))})
	r.reset()
	first, err := r.applier(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.applier(nil, true); err != nil {
		t.Fatal(err)
	}
	_, err = first.Run(t.Context(), Position{ResumeToken: r.start.ResumeToken}, func(p Progress) bool { return !p.OpTime.Before(r.end) })
	if migration.KindOf(err) != migration.Superseded {
		t.Errorf("the attempt that was overtaken ended with %v", err)
	}
	if docs := documents(t, r.dst, migration.Namespace{DB: r.db, Collection: "c"}); bytes.Contains(docs[0], []byte("x")) {
		t.Errorf("it has written: %s", docs)
	}
}

// TestStranger: a collection that appeared on the destination by itself is not
// harmed, and named.
func TestStranger(t *testing.T) {
	t.Parallel()
	r := rehearse(t, nil, []bson.D{insert("c", d("_id", 1))})
	r.reset()
	theirs := bson.D{e("insert", "c"), e("documents", bson.A{d("_id", "theirs")})}
	if err := r.dst.Write(t.Context(), r.db, theirs); err != nil {
		t.Fatal(err)
	}
	_, err := r.apply(nil, false)
	if migration.KindOf(err) != migration.WriteRefused || !strings.Contains(err.Error(), r.db+".c exists on the destination") {
		t.Errorf("ended with %v", err)
	}
	if docs := documents(t, r.dst, migration.Namespace{DB: r.db, Collection: "c"}); len(docs) != 1 {
		t.Errorf("it holds %s", docs)
	}
}
