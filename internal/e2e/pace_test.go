package e2e

import (
	"context"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.temporal.io/sdk/client"

	"mongoferry/internal/migration"
)

// tune sends one as an update, and wants it obeyed.
func (s *stack) tune(id string, wish migration.Tuning) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	handle, err := s.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: migration.MessageTune, Args: []any{migration.Request{Tuning: wish}},
		WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	var answer string
	if err == nil {
		err = handle.Get(ctx, &answer)
	}
	if err != nil {
		s.t.Fatalf("tune %+v: %v", wish, err)
	}
	return answer
}

// arrived counts all documents of shop.orders on the destination, also while it is being
// copied under another name.
func (s *stack) arrived() int64 {
	s.t.Helper()
	ctx, db := context.Background(), s.dest.Database("shop")
	names, err := db.ListCollectionNames(ctx, bson.D{{Key: "name", Value: bson.Regex{Pattern: "^orders$|copying"}}})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(names) == 0 {
		return 0 // not even created yet
	}
	n, err := db.Collection(names[0]).CountDocuments(ctx, bson.D{})
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// keepsTo watches documents arrive until there are so many more than base, and wants
// never more than a rate allows since began. It is a bound of counts: a slow machine
// only makes it last longer.
func (s *stack) keepsTo(rate, base, enough int64, began time.Time) {
	s.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		got := s.arrived() - base
		if most := int64(float64(rate) * time.Since(began).Seconds()); got > most {
			s.t.Fatalf("%d documents have arrived where at most %d may have", got, most)
		}
		if got >= enough {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("only %d documents have arrived", got)
		}
	}
}

// awaitCopies waits until no more copies are under way.
func (s *stack) awaitCopies(id string, most int) {
	s.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		n := len(s.underWay(id, "CopyUnit"))
		if n <= most {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("%d copies are under way, want %d", n, most)
		}
	}
}

// underWay are the ids of the activities of a kind that have not ended.
func (s *stack) underWay(id, kind string) (ids []string) {
	s.t.Helper()
	d, err := s.client.DescribeWorkflowExecution(context.Background(), id, "")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, p := range d.GetPendingActivities() {
		if p.GetActivityType().GetName() == kind {
			ids = append(ids, p.GetActivityId())
		}
	}
	return ids
}

// awaitNextSlice waits until none of these slices is under way, but another.
func (s *stack) awaitNextSlice(id string, before []string) {
	s.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		now := s.underWay(id, "ApplyChanges")
		if len(now) > 0 && !slices.ContainsFunc(now, func(a string) bool { return slices.Contains(before, a) }) {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("slices %q are under way, those of before were %q", now, before)
		}
	}
}

// TestMaxRate: copy and changes keep to the max rate, whatever is under way, and go
// on at full speed from the moment it is taken away.
func TestMaxRate(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.worker()
	const documents, rate, second = 60_000, 300, 150
	fill(t, s.source, documents)
	spec := s.spec("paced")
	spec.Pace = migration.Pace{Load: migration.LoadHigh, MaxRate: migration.Rate{Documents: rate}}
	began := time.Now()
	s.start(spec)
	s.keepsTo(rate, 0, 3*rate, began)
	if got := s.tune("paced", migration.Tuning{Load: "low", MaxRate: "150docs/s"}); got != "load low, max rate 150docs/s" {
		t.Errorf("answered %q", got)
	}
	s.awaitCopies("paced", 1)
	before, tuned := s.arrived(), time.Now()
	// The last one of those before may still write a second's worth.
	s.keepsTo(second, before+rate, 2*second, tuned)
	s.tune("paced", migration.Tuning{Load: "normal", MaxRate: "off"})
	s.awaitPhase("paced", migration.Ready)
	if n := s.arrived(); n != documents {
		t.Fatalf("%d of %d documents have arrived", n, documents)
	}
	slice := s.underWay("paced", "ApplyChanges")
	s.tune("paced", migration.Tuning{MaxRate: "150docs/s"})
	s.awaitNextSlice("paced", slice) // the one under way has no limit, and takes a moment to end
	changed := time.Now()
	var more []any
	for i := range 5000 {
		more = append(more, bson.D{{Key: "_id", Value: int64(documents + i)}, {Key: "n", Value: int64(documents + i)}})
	}
	if _, err := s.source.Database("shop").Collection("orders").InsertMany(context.Background(), more); err != nil {
		t.Fatal(err)
	}
	s.keepsTo(second, documents+2*second, 2*second, changed)
	s.tune("paced", migration.Tuning{MaxRate: "off"})
	for end := time.Now().Add(patience); s.arrived() < documents+5000; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("only %d documents have arrived", s.arrived())
		}
	}
	s.mustUpdate("paced", migration.MessageCutover)
	s.awaitPhase("paced", migration.Completed)
	s.identical()
}
