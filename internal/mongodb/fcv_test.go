package mongodb

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
)

// TestFeatureCompatibility: a version that was changed, and one that stopped on the
// way, because something in the data stands against it, are faults by name.
func TestFeatureCompatibility(t *testing.T) {
	t.Parallel()
	c := dial(t, devstack.NewReplicaSet(t, devstack.ReplicaSetOptions{Name: "fcv"}).URI())
	check := func(was string, want ...string) {
		t.Helper()
		err := CheckFeatureCompatibility(t.Context(), c, was)
		if len(want) == 0 {
			if err != nil {
				t.Error(err)
			}
			return
		}
		for _, text := range want {
			if migration.KindOf(err) != migration.CompatibilityChanged || !strings.Contains(err.Error(), text) {
				t.Errorf("was %q: %v, want %q", was, err, text)
			}
		}
	}
	set := func(version string) error {
		_, err := c.Run(t.Context(), "admin", bson.D{{Key: "setFeatureCompatibilityVersion", Value: version}})
		return err
	}
	check("6.0")
	check("")
	if err := set("5.0"); err != nil {
		t.Fatal(err)
	}
	check("5.0")
	check("6.0", "of the destination", "from 6.0 to 5.0", "set it back to 6.0")
	check("")
	if err := set("6.0"); err != nil {
		t.Fatal(err)
	}
	run(t, c, "d", bson.D{{Key: "create", Value: "images"}, {Key: "changeStreamPreAndPostImages", Value: bson.D{{Key: "enabled", Value: true}}}})
	if err := set("5.0"); err == nil {
		t.Fatal("nothing stands against 5.0")
	}
	check("6.0", "(on the way from 6.0 to 5.0)")
	check("5.0", "(on the way from 6.0 to 5.0)")
}
