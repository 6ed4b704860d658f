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

// BenchmarkTenDocuments measures what a rehearsal costs: from start to ready and
// from cutover to completed, nobody writing.
func BenchmarkTenDocuments(b *testing.B) {
	var toReady, toCompleted time.Duration
	for range b.N {
		s := newStack(b)
		s.worker()
		ready, completed := s.tenDocuments()
		toReady += ready
		toCompleted += completed
	}
	b.ReportMetric(toReady.Seconds()/float64(b.N), "s-to-ready")
	b.ReportMetric(toCompleted.Seconds()/float64(b.N), "s-to-completed")
}

func TestTenDocuments(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.worker()
	ready, completed := s.tenDocuments()
	t.Logf("start to ready: %s, cutover to completed: %s", ready, completed)
	s.identical()
}

// tenDocuments migrates as many.
func (s *stack) tenDocuments() (ready, completed time.Duration) {
	s.t.Helper()
	ctx := context.Background()
	coll := s.source.Database("shop").Collection("orders")
	docs := make([]any, 10)
	for i := range docs {
		docs[i] = bson.D{{Key: "_id", Value: i}, {Key: "n", Value: i}}
	}
	if _, err := coll.InsertMany(ctx, docs); err != nil {
		s.t.Fatal(err)
	}
	_, err := coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "n", Value: 1}}, Options: options.Index().SetUnique(true)})
	if err != nil {
		s.t.Fatal(err)
	}
	began := time.Now()
	run := s.start(s.spec("ten"))
	s.awaitPhase("ten", migration.Ready)
	ready = time.Since(began)
	if _, err := coll.UpdateOne(ctx, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "$set", Value: bson.D{{Key: "x", Value: 1}}}}); err != nil {
		s.t.Fatal(err)
	}
	began = time.Now()
	if _, err := s.update("ten", migration.MessageCutover); err != nil {
		s.t.Fatal(err)
	}
	var final migration.Status
	if err := run.Get(ctx, &final); err != nil {
		s.t.Fatal(err)
	}
	completed = time.Since(began)
	if final.Phase != migration.Completed || len(final.Cutover.UnsuccessfulIndexes) > 0 || len(final.Notices) > 0 {
		s.t.Errorf("final status %+v", final)
	}
	return ready, completed
}
