package e2e

import (
	"context"
	"os"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/demo"
	"mongoferry/internal/devstack"
	"mongoferry/internal/enginetest"
	"mongoferry/internal/migration"
	"mongoferry/internal/scenario"
)

const (
	scenarios = "../../testdata/scenarios"
	// atOnce is how many scenarios are lived side by side.
	atOnce = 4
	// ballast makes the copy take long enough to be met, in documents.
	ballast = 40_000
)

// life is a scenario in a database of its own. All of an early one is over before
// the migration starts; a live one goes on while it runs.
type life struct {
	scenario.Scenario
	db     string
	runner *scenario.Runner
}

// TestScenarios migrates all scenarios at once, each of them twice, and compares
// both sides byte for byte. MONGOFERRY_SCENARIO is a pattern of those wanted.
func TestScenarios(t *testing.T) {
	t.Parallel()
	s := newStackOf(t, devstack.ReplicaSetOptions{CacheGB: 1}) // some are large
	early, live := lives(t, s)
	// The server ends a transaction after a minute: those that are open over the
	// start point wait for the others.
	patient := bson.D{{Key: "setParameter", Value: 1}, {Key: "transactionLifetimeLimitSeconds", Value: 600}}
	if err := s.source.Database("admin").RunCommand(t.Context(), patient).Err(); err != nil {
		t.Fatal(err)
	}
	fill(t, s.source, ballast)
	each(t, early, func(l life) [][]scenario.Operation { return [][]scenario.Operation{l.Before, l.During, l.After} })
	each(t, live, func(l life) [][]scenario.Operation { return [][]scenario.Operation{l.Before} })
	s.worker()
	spec := s.slowly("scenarios")
	spec.Pace.MaxRate.Bytes *= 3 // there is more to copy
	s.start(spec)
	s.awaitPhase("scenarios", migration.Copying)
	s.mustUpdate("scenarios", migration.MessagePause)
	if st, err := s.status("scenarios"); err != nil || st.Phase != migration.Copying {
		t.Fatalf("the copy was over before it could be met: more ballast is needed: %+v, %v", st, err)
	}
	each(t, live, func(l life) [][]scenario.Operation { return [][]scenario.Operation{l.During} })
	s.mustUpdate("scenarios", migration.MessageResume)
	s.await("scenarios", "changes being applied", func(st migration.Status) bool {
		return st.Phase == migration.CatchingUp || st.Phase == migration.Ready
	})
	each(t, live, func(l life) [][]scenario.Operation { return [][]scenario.Operation{l.After} })
	o := &ordeal{stack: s, id: "scenarios"}
	final := o.cutOver()
	if len(final.Cutover.UnsuccessfulIndexes) > 0 {
		t.Errorf("unsuccessful indexes: %+v", final.Cutover.UnsuccessfulIndexes)
	}
	differences := s.differencesByDatabase()
	for _, l := range append(early, live...) {
		t.Run(l.db, func(t *testing.T) {
			for _, db := range scenario.Databases(l.db) {
				for _, d := range differences[db] {
					t.Error(d)
				}
				delete(differences, db)
			}
		})
	}
	for db, rest := range differences {
		t.Errorf("%s, which is no scenario's: %v", db, rest)
	}
}

// lives makes two lives of every scenario.
func lives(t *testing.T, s *stack) (early, live []life) {
	t.Helper()
	all, err := scenario.Load(scenarios, os.Getenv("MONGOFERRY_SCENARIO"))
	if err != nil {
		t.Fatal(err)
	}
	source := enginetest.Dial(t, "source", s.src.URI())
	for _, sc := range all {
		for suffix, to := range map[string]*[]life{"_b": &early, "_l": &live} {
			db := sc.Name + suffix
			runner := scenario.NewRunner(source, db)
			t.Cleanup(func() {
				if err := runner.Close(context.Background()); err != nil {
					t.Error(err)
				}
			})
			*to = append(*to, life{sc, db, runner})
		}
	}
	return early, live
}

// each lives parts of scenarios, several scenarios side by side.
func each(t *testing.T, all []life, parts func(life) [][]scenario.Operation) {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(atOnce)
	for _, l := range all {
		group.Go(func() error {
			for _, ops := range parts(l) {
				if err := l.runner.Run(ctx, ops); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// differencesByDatabase asks until nothing new is found: a comparison tells the
// first few differences alone.
func (s *stack) differencesByDatabase() map[string][]string {
	s.t.Helper()
	found := map[string][]string{}
	for {
		var known []string
		for db := range found {
			known = append(known, db)
		}
		differences, err := demo.Compare(context.Background(), s.source, s.dest, known...)
		if err != nil {
			s.t.Fatal(err)
		}
		if len(differences) == 0 {
			return found
		}
		for _, d := range differences {
			db, _, _ := strings.Cut(d, ".")
			found[db] = append(found[db], d)
		}
	}
}
