package e2e

import (
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"mongoferry/internal/migration"
)

func TestTenDocuments(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.worker()
	ctx := context.Background()
	coll := s.source.Database("shop").Collection("orders")
	docs := make([]any, 10)
	for i := range docs {
		docs[i] = bson.D{{Key: "_id", Value: i}, {Key: "n", Value: i}}
	}
	if _, err := coll.InsertMany(ctx, docs); err != nil {
		t.Fatal(err)
	}
	_, err := coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "n", Value: 1}}, Options: options.Index().SetUnique(true)})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	run := s.start(s.spec("ten"))
	s.awaitPhase("ten", migration.Ready)
	t.Logf("start to ready: %s", time.Since(began))
	if _, err := coll.UpdateOne(ctx, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "$set", Value: bson.D{{Key: "x", Value: 1}}}}); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	if _, err := s.update("ten", migration.MessageCutover); err != nil {
		t.Fatal(err)
	}
	var final migration.Status
	if err := run.Get(ctx, &final); err != nil {
		t.Fatal(err)
	}
	t.Logf("cutover to completed: %s", time.Since(began))
	if final.Phase != migration.Completed || len(final.Cutover.UnsuccessfulIndexes) > 0 || len(final.Notices) > 0 {
		t.Errorf("final status %+v", final)
	}
	s.identical()
}
