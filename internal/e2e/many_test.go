package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
	"mongoferry/internal/random"
)

// TestManyCollections migrates a great many small collections, half of them with
// an index, a fifth without documents, while more are made and dropped.
func TestManyCollections(t *testing.T) {
	t.Parallel()
	n := 300
	if random.Soaking() {
		n = 10_000
	}
	s := newStackOf(t, devstack.ReplicaSetOptions{FewFiles: true})
	s.patience = max(patience, time.Duration(n)*patience/1000)
	began := time.Now()
	passed := func(what string) {
		t.Logf("%s: %s", what, time.Since(began).Round(time.Millisecond))
		began = time.Now()
	}
	s.makeCollections(0, n)
	passed(fmt.Sprint("made ", n))
	s.worker()
	s.start(s.spec("many"))
	s.awaitPhase("many", migration.Copying)
	passed("prepared")
	s.makeCollections(n, n+n/20)
	for i := range n / 20 {
		if err := s.source.Database("many").Collection(fmt.Sprintf("c%d", i*10)).Drop(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	passed("more made, some dropped")
	s.awaitPhase("many", migration.Ready)
	passed("ready")
	s.mustUpdate("many", migration.MessageCutover)
	final := s.await("many", "the end", func(st migration.Status) bool { return st.Phase.Ended() })
	passed(fmt.Sprintf("cut over and completed (fenced at %s, open at %s)", final.Cutover.StartedAt, final.Cutover.WritesAcceptedAt))
	if final.Phase != migration.Completed || len(final.Cutover.UnsuccessfulIndexes) > 0 {
		t.Errorf("final status %+v", final)
	}
	s.identical()
}

// makeCollections makes those with the numbers from one to before another.
func (s *stack) makeCollections(from, to int) {
	s.t.Helper()
	db := s.source.Database("many")
	group, ctx := errgroup.WithContext(context.Background())
	group.SetLimit(4)
	for i := from; i < to; i++ {
		group.Go(func() error {
			name := fmt.Sprintf("c%d", i)
			commands := []bson.D{{{Key: "create", Value: name}}}
			if i%2 == 0 {
				commands = append(commands, bson.D{{Key: "createIndexes", Value: name}, {Key: "indexes", Value: bson.A{
					bson.D{{Key: "key", Value: bson.D{{Key: "n", Value: 1}}}, {Key: "name", Value: "n"}, {Key: "unique", Value: i%4 == 0}}}}})
			}
			if i%5 > 0 {
				commands = append(commands, bson.D{{Key: "insert", Value: name}, {Key: "documents", Value: bson.A{
					bson.D{{Key: "_id", Value: i}, {Key: "n", Value: 1}}, bson.D{{Key: "_id", Value: -1 - i}}}}})
			}
			for _, command := range commands {
				if err := db.RunCommand(ctx, command).Err(); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		s.t.Fatal(err)
	}
}
