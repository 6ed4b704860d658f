package catalog

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
)

// spec is an index for createIndexes.
func spec(name string, key bson.D, options ...bson.E) bson.D {
	return append(bson.D{e("name", name), e("key", key)}, options...)
}

// kind is a collection with indexes that can stand together on a source.
type kind struct {
	name    string
	options []bson.E
	indexes []bson.D
	// prepare are the indexes on which the source has prepareUnique on.
	prepare []string
	// twins are the unique indexes that must wait until they can be what they are.
	twins []string
}

func kinds() []kind {
	unique, sparse, hidden := e("unique", true), e("sparse", true), e("hidden", true)
	de, en := e("collation", bson.D{e("locale", "de")}), e("collation", bson.D{e("locale", "en"), e("strength", 1)})
	simple := e("collation", bson.D{e("locale", "simple")})
	filter := func(v any) bson.E { return e("partialFilterExpression", v) }
	var many []bson.D
	for n := range 63 {
		many = append(many, spec(fmt.Sprint("i", n), one(fmt.Sprint("f", n))))
	}
	return []kind{
		{name: "text", indexes: []bson.D{spec("t", bson.D{e("before", 1), e("a", "text"), e("b.c", "text"), e("after", -1)},
			e("weights", bson.D{e("b.c", 7)}), e("default_language", "german"), e("language_override", "idioma"), e("textIndexVersion", 2))}},
		{name: "text of everything", indexes: []bson.D{spec("t", bson.D{e("$**", "text")}, e("default_language", "none"), hidden)}},
		{name: "2d", indexes: []bson.D{spec("p", bson.D{e("at", "2d"), e("n", 1)}, e("bits", 20), e("min", -500.5), e("max", 500)),
			spec("u", bson.D{e("at", "2d"), e("n", 1)}, e("bits", 20), e("min", -500.5), e("max", 500), unique)}, twins: []string{"u"}},
		{name: "2dsphere", indexes: []bson.D{spec("two", bson.D{e("g", "2dsphere"), e("n", 1)}, e("2dsphereIndexVersion", 2)), spec("three", bson.D{e("h", "2dsphere")}, filter(one("p")))}},
		{name: "hashed", indexes: []bson.D{spec("h", bson.D{e("h", "hashed")}), spec("b", bson.D{e("a", 1), e("h", "hashed"), e("b", -1)}, sparse)}},
		{name: "wildcard", indexes: []bson.D{spec("all", bson.D{e("$**", 1)}), spec("path", bson.D{e("a.b.$**", 1)}, hidden),
			spec("in", bson.D{e("$**", 1)}, e("wildcardProjection", bson.D{e("a", 1), e("_id", 1)})),
			spec("out", bson.D{e("$**", 1)}, e("wildcardProjection", bson.D{e("c.d", 0)}), filter(one("p")))}},
		{name: "partial", indexes: []bson.D{
			spec("p", one("x"), filter(bson.D{e("p", 1), e("q", bson.D{e("$exists", true)})})),
			spec("same", one("x"), unique, filter(bson.D{e("q", bson.D{e("$exists", true)}), e("p", 1.0)})),
			spec("perhaps", one("y"), filter(bson.D{e("p", 1)})),
			spec("like it", one("y"), unique, filter(bson.D{e("p", bson.D{e("$eq", 1)})})),
			spec("and", one("z"), filter(bson.D{e("$and", bson.A{bson.D{e("p", 1)}, bson.D{e("q", 1)}})})),
			spec("implied", one("z"), unique, filter(bson.D{e("p", 1), e("q", 1)})),
			spec("another", one("z"), unique, filter(bson.D{e("r", 1)})),
			spec("whole", one("z"), unique),
		}, twins: []string{"same", "like it", "implied"}},
		{name: "sparse", indexes: []bson.D{spec("s", one("x"), sparse), spec("p", one("x")), spec("us", one("x"), sparse, unique), spec("u", one("x"), unique),
			spec("usp", bson.D{e("x", 1), e("y", 1)}, sparse, unique), spec("all", bson.D{e("x", 1), e("y", 1)}, unique, e("sparse", false))}, twins: []string{"us", "u"}},
		{name: "unique first", indexes: []bson.D{spec("u", one("x"), unique), spec("p", one("x"), hidden)}, twins: []string{"u"}},
		{name: "numbers", indexes: []bson.D{spec("int", one("x")), spec("double", bson.D{e("x", 1.0)}, unique), spec("long", bson.D{e("x", int64(-1))}, unique),
			spec("fraction", bson.D{e("x", 2.5)}), spec("unique fraction", bson.D{e("x", 2.5)}, unique), spec("two", bson.D{e("x", 2)}, unique)}, twins: []string{"double", "unique fraction"}},
		{name: "TTL", indexes: []bson.D{spec("zero", one("a"), e("expireAfterSeconds", 0)), spec("float", one("b"), e("expireAfterSeconds", 7.9)),
			spec("NaN", one("c"), e("expireAfterSeconds", math.NaN())), spec("partial", one("d"), e("expireAfterSeconds", 60), filter(one("p"))),
			spec("hidden", one("f"), e("expireAfterSeconds", 61), hidden), spec("unique", one("g"), e("expireAfterSeconds", int64(62)), unique, sparse),
			spec("twin", one("h"), e("expireAfterSeconds", 63)), spec("unique twin", one("h"), e("expireAfterSeconds", 64), unique)}, twins: []string{"unique twin"}},
		{name: "hidden", indexes: []bson.D{spec("h", one("a"), hidden), spec("u", one("b"), hidden, unique), spec("no", one("c"), e("hidden", false))}},
		{name: "prepareUnique", prepare: []string{"p", "plain"}, indexes: []bson.D{spec("p", one("a")), spec("made so", one("b"), e("prepareUnique", true)),
			spec("plain", one("c")), spec("u", one("c"), unique)}, twins: []string{"u"}},
		{name: "collation", indexes: []bson.D{spec("de", one("x"), de), spec("en", one("x"), en), spec("none", one("x")),
			spec("unique de", one("x"), de, unique), spec("unique fr", one("x"), unique, e("collation", bson.D{e("locale", "fr")}))}, twins: []string{"unique de"}},
		{name: "collated", options: []bson.E{de}, indexes: []bson.D{spec("own", one("x")), spec("simple", one("x"), simple), spec("unique", one("x"), unique),
			spec("unique simple", one("x"), simple, unique), spec("en", one("x"), en, unique), spec("text", bson.D{e("t", "text")}, simple),
			spec("2d", bson.D{e("g", "2d")}, simple), spec("hashed", bson.D{e("x", "hashed")}, simple), spec("wild", bson.D{e("$**", 1)}, simple),
			spec("v1", one("v"), e("v", 1))}, twins: []string{"unique", "unique simple"}},
		{name: "legacy", indexes: []bson.D{spec("v1", bson.D{e("a", -1.0), e("b", 2.5)}, e("v", 1), unique), spec("v1 plain", bson.D{e("a", -1), e("b", 2.5)}, e("v", 1)),
			spec("background", one("c"), e("background", true)), spec("number", one("d"), e("unique", 1), e("background", 1.0)),
			spec("engine", one("e"), e("storageEngine", bson.D{e("wiredTiger", bson.D{e("configString", "prefix_compression=false")})}), unique)}, twins: []string{"v1"}},
		{name: "names", indexes: []bson.D{spec("*weird $ . name", one("a")), spec("a.b$c", one("b"), unique), spec(strings.Repeat("n", 900), one("c"), unique),
			spec("ü\n\t\"'", one("d"), e("expireAfterSeconds", 5)), spec("$**", bson.D{e("e", 1), e("é.ü", -1)}, unique)}},
		{name: "many", indexes: many},
		{name: "clustered", options: []bson.E{e("clusteredIndex", bson.D{e("key", one("_id")), e("unique", true), e("name", "cluster")}), e("expireAfterSeconds", 3600)},
			indexes: []bson.D{spec("u", one("a"), unique), spec("p", one("a")), spec("hidden", bson.D{e("_id", 1), e("a", 1)}, hidden, unique)}, twins: []string{"u"}},
		{name: "capped", options: []bson.E{e("capped", true), e("size", 1<<20), e("max", 100)}, indexes: []bson.D{spec("u", one("a"), unique, hidden)}},
		{name: "of _id", indexes: []bson.D{spec("h", bson.D{e("_id", "hashed")}), spec("c", bson.D{e("_id", 1), e("a", 1)}, unique)}},
	}
}

// TestKinds takes every kind of index, with its options, through the form for the
// sync and the fence to the end, as found after the copy and as told of by the
// change stream: it ends as on the source, whichever way it came.
func TestKinds(t *testing.T) {
	t.Parallel()
	src, dst, m := pair(t)
	for _, k := range kinds() {
		ns := migration.Namespace{DB: t.Name(), Collection: k.name}
		run(t, src, ns.DB, append(bson.D{e("create", ns.Collection)}, k.options...)...)
		for _, i := range k.indexes {
			run(t, src, ns.DB, e("createIndexes", ns.Collection), e("indexes", bson.A{i}))
		}
		for _, name := range k.prepare {
			run(t, src, ns.DB, e("collMod", ns.Collection), e("index", bson.D{e("name", name), e("prepareUnique", true)}))
		}
	}
	source := read(t, src)
	for _, way := range []string{"copied", "replayed"} {
		for _, k := range kinds() {
			build(t, Changer{Destination: dst, Map: m}, source[k.name], way)
		}
		if refused := m.Refused(); len(refused) > 0 {
			t.Fatalf("%s: the destination refused %v", way, refused)
		}
		inSync(t, read(t, dst))
		if diffs, err := Compare(t.Context(), src, dst, only(t, t.Name()), m); err != nil || len(diffs) > 0 {
			t.Errorf("%s: %v, %v", way, diffs, err)
		}
		for range 2 {
			if err := Constrain(t.Context(), dst, m); err != nil {
				t.Fatalf("%s: %v", way, err)
			}
		}
		refuseEqualKeys(t, read(t, dst))
		if diffs, err := Compare(t.Context(), src, dst, only(t, t.Name()), m); err != nil || len(diffs) > 0 {
			t.Errorf("%s, constrained: %v, %v", way, diffs, err)
		}
		if way == "copied" { // a cutover that is backed out
			if err := Relax(t.Context(), dst, m); err != nil {
				t.Fatal(err)
			}
			inSync(t, read(t, dst))
		}
		for range 2 {
			if failed, err := Restore(t.Context(), dst, m, func() {}); err != nil || len(failed) > 0 {
				t.Fatalf("%s: restore: %v, %v", way, failed, err)
			}
			sameCatalog(t, source, read(t, dst))
		}
		for _, c := range m.All() {
			if err := (&Changer{Destination: dst, Map: m}).Drop(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// build makes a collection with its indexes, as found by a copy, or one index after
// the other.
func build(t *testing.T, ch Changer, c Collection, way string) {
	t.Helper()
	specs := c.secondary()
	if way == "replayed" {
		c.Indexes = nil
	}
	if err := ch.Create(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	known, _ := ch.Map.ByUUID(c.UUID)
	if way == "copied" {
		if failed, err := BuildIndexes(t.Context(), ch.Destination, known); err != nil || len(failed) > 0 {
			t.Errorf("%s: %v, %v", c.NS, failed, err)
		}
		return
	}
	for _, i := range specs {
		known, _ = ch.Map.ByUUID(c.UUID)
		if err := ch.CreateIndexes(t.Context(), known, []bson.Raw{i.Spec}); err != nil {
			t.Errorf("%s: %v", c.NS, err)
		}
	}
}

// inSync wants nothing unique and nothing that expires.
func inSync(t *testing.T, have map[string]Collection) {
	t.Helper()
	for _, k := range kinds() {
		c := have[k.name]
		if want := len(k.indexes) - len(k.twins); c.IndexesDuringSync() != want {
			t.Errorf("%s: %d indexes while the sync runs, want %d", k.name, c.IndexesDuringSync(), want)
		}
		for _, i := range c.Indexes {
			expiry, _ := i.Spec.Lookup("expireAfterSeconds").AsInt64OK()
			if i.Unique() || i.preparesUnique() || i.TTL() && expiry != int64(neverExpires) {
				t.Errorf("%s: %s while the sync runs", k.name, i.Spec)
			}
		}
		for _, name := range k.twins {
			if _, err := c.index(name); err == nil {
				t.Errorf("%s: %s stands beside its twin", k.name, name)
			}
		}
	}
}

// refuseEqualKeys wants every unique index to refuse equal keys, and nothing to
// expire.
func refuseEqualKeys(t *testing.T, have map[string]Collection) {
	t.Helper()
	for _, k := range kinds() {
		c := have[k.name]
		for _, want := range k.indexes {
			raw := Index{Spec: marshal(t, want)}
			name := raw.Spec.Lookup("name").StringValue()
			got, err := c.index(name)
			if err != nil {
				t.Errorf("%s: %v", k.name, err)
				continue
			}
			refuses := got.Unique() || got.preparesUnique()
			if (raw.flag("unique") || raw.flag("prepareUnique") || slices.Contains(k.prepare, name)) && !refuses {
				t.Errorf("%s: %s does not refuse equal keys: %s", k.name, name, got.Spec)
			}
			if expiry, _ := got.Spec.Lookup("expireAfterSeconds").AsInt64OK(); got.TTL() && expiry != int64(neverExpires) {
				t.Errorf("%s: %s expires at the fence", k.name, got.Spec)
			}
		}
	}
}
