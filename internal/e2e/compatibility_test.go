package e2e

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"mongoferry/internal/migration"
)

// TestCompatibilityChanged: a change of the feature compatibility version of either
// side while a migration runs ends it, by name.
func TestCompatibilityChanged(t *testing.T) {
	t.Parallel()
	for _, side := range []string{"source", "destination"} {
		t.Run(side, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			s.worker()
			insertOne(t, s.source, bson.D{{Key: "_id", Value: 1}})
			s.start(s.spec("fcv"))
			s.awaitPhase("fcv", migration.Ready)
			changed := map[string]*mongo.Client{"source": s.source, "destination": s.dest}[side]
			command := bson.D{{Key: "setFeatureCompatibilityVersion", Value: "5.0"}}
			if err := changed.Database("admin").RunCommand(t.Context(), command).Err(); err != nil {
				t.Fatal(err)
			}
			s.awaitEnd("fcv", migration.Failed)
			st, err := s.status("fcv")
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"the " + side, "6.0", "5.0", "setFeatureCompatibilityVersion"} {
				if !strings.Contains(st.Error, want) {
					t.Errorf("the error does not say %q: %s", want, st.Error)
				}
			}
			s.leftNothing()
		})
	}
}

func insertOne(t *testing.T, c *mongo.Client, doc bson.D) {
	t.Helper()
	if _, err := c.Database("shop").Collection("orders").InsertOne(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
}
