package catalog

import (
	"os"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/devstack"
	"mongoferry/internal/enginetest"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/namespace"
)

func TestMain(m *testing.M) { os.Exit(devstack.Main(m)) }

// pair gives both sides, and the map of the test's own migration.
func pair(t *testing.T) (src, dst *mongodb.Client, m *Map) {
	t.Helper()
	src, dst = enginetest.Source(t), enginetest.Destination(t)
	return src, dst, NewMap(dst, "meta_"+t.Name())
}

func run(t *testing.T, c *mongodb.Client, db string, command ...bson.E) {
	t.Helper()
	enginetest.Run(t, c, db, command)
}

func insert(t *testing.T, c *mongodb.Client, ns migration.Namespace, docs ...bson.D) {
	t.Helper()
	run(t, c, ns.DB, bson.E{Key: "insert", Value: ns.Collection}, bson.E{Key: "documents", Value: docs})
}

func index(t *testing.T, c *mongodb.Client, ns migration.Namespace, name string, key bson.D, options ...bson.E) {
	t.Helper()
	spec := append(bson.D{{Key: "name", Value: name}, {Key: "key", Value: key}}, options...)
	run(t, c, ns.DB, bson.E{Key: "createIndexes", Value: ns.Collection}, bson.E{Key: "indexes", Value: bson.A{spec}})
}

func marshal(t *testing.T, v any) bson.Raw {
	t.Helper()
	raw, err := bson.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func only(t *testing.T, db string) namespace.Filter {
	t.Helper()
	f, err := namespace.Parse([]string{db}, nil, "mongoferry")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// read gives the catalog of the test's database by name.
func read(t *testing.T, c *mongodb.Client) map[string]Collection {
	t.Helper()
	cols, err := ReadDatabase(t.Context(), c, t.Name(), only(t, t.Name()))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]Collection{}
	for _, col := range cols {
		out[col.NS.Collection] = col
	}
	return out
}
