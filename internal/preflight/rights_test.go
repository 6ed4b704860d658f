package preflight

import (
	"os"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/devstack"
	"mongoferry/internal/enginetest"
	"mongoferry/internal/migration"
)

func TestMain(m *testing.M) { os.Exit(devstack.Main(m)) }

func d(pairs ...any) bson.D {
	out := bson.D{}
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, bson.E{Key: pairs[i].(string), Value: pairs[i+1]})
	}
	return out
}

// TestSystemRights: time-series collections and stored functions are not among the
// collections of any database.
func TestSystemRights(t *testing.T) {
	t.Parallel()
	set := devstack.NewReplicaSet(t, devstack.ReplicaSetOptions{Name: "rights", Auth: true})
	root := enginetest.Dial(t, "source", set.URI())
	run := func(db string, command bson.D) {
		t.Helper()
		enginetest.Run(t, root, db, command)
	}
	run("shop", d("create", "series", "timeseries", d("timeField", "t")))
	run("shop", d("insert", "system.js", "documents", bson.A{d("_id", "f")}))
	everywhere := bson.A{
		d("resource", d("cluster", true), "actions", bson.A{"getParameter", "replSetGetConfig", "serverStatus", "inprog", "listDatabases",
			"appendOplogNote", "useUUID", "setUserWriteBlockMode"}),
		d("resource", d("db", "", "collection", ""), "actions", bson.A{"find", "changeStream", "listCollections", "listIndexes", "collStats"}),
	}
	system := bson.A{
		d("resource", d("db", "", "system_buckets", ""), "actions", bson.A{"find", "listIndexes", "collStats"}),
		d("resource", d("db", "", "collection", "system.js"), "actions", bson.A{"find", "listIndexes", "collStats"}),
	}
	run("admin", d("createRole", "lacking", "roles", bson.A{}, "privileges", everywhere))
	run("admin", d("createRole", "whole", "roles", bson.A{"lacking"}, "privileges", system))
	for role, want := range map[string][]string{
		"lacking": {
			"lacks collStats, needed to measure time-series collections", "lacks find, needed to read time-series collections",
			"lacks listIndexes, needed to read the catalog of time-series collections", "lacks collStats, needed to measure stored functions",
			"lacks find, needed to read stored functions", "lacks listIndexes, needed to read the catalog of stored functions",
			"list indexes of shop.s",
		},
		"whole": nil,
	} {
		run("admin", d("createUser", role, "pwd", role, "roles", bson.A{role}))
		report, err := Run(t.Context(), migration.Spec{ID: "rights"}.WithDefaults(), enginetest.Dial(t, "source", set.URIFor(role, role)), enginetest.Destination(t))
		if err != nil {
			t.Fatal(err)
		}
		var blocking []string
		for _, f := range report.Findings {
			if f.Severity == migration.Blocking {
				blocking = append(blocking, f.Message)
			}
		}
		if len(blocking) != len(want) {
			t.Fatalf("role %s: blocking findings %q, want %q", role, blocking, want)
		}
		for i, text := range want {
			if !strings.Contains(blocking[i], text) {
				t.Errorf("role %s: finding %q, want %q", role, blocking[i], text)
			}
		}
	}
}
