package partition

import (
	"os"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/catalog"
	"mongoferry/internal/devstack"
	"mongoferry/internal/enginetest"
	"mongoferry/internal/migration"
)

func TestMain(m *testing.M) { os.Exit(devstack.Main(m)) }

func run(t *testing.T, db string, command bson.D) bson.Raw {
	t.Helper()
	return enginetest.Run(t, enginetest.Source(t), db, command)
}

// create makes a collection and gives what the catalog knows of it.
func create(t *testing.T, ns migration.Namespace, options ...bson.E) catalog.Collection {
	t.Helper()
	run(t, ns.DB, append(bson.D{{Key: "create", Value: ns.Collection}}, options...))
	return lookUp(t, ns)
}

func lookUp(t *testing.T, ns migration.Namespace) catalog.Collection {
	t.Helper()
	c, err := catalog.Find(t.Context(), enginetest.Source(t), ns)
	if err != nil || c == nil {
		t.Fatalf("find %s: %v, %v", ns, c, err)
	}
	return *c
}

// fill inserts one document for each _id.
func fill(t *testing.T, ns migration.Namespace, ids []any, padding int) {
	t.Helper()
	pad := make([]byte, padding)
	for len(ids) > 0 {
		n := min(len(ids), 1000)
		docs := bson.A{}
		for _, id := range ids[:n] {
			docs = append(docs, bson.D{{Key: "_id", Value: id}, {Key: "pad", Value: pad}})
		}
		run(t, ns.DB, bson.D{{Key: "insert", Value: ns.Collection}, {Key: "documents", Value: docs}})
		ids = ids[n:]
	}
}
