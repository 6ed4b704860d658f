package replication

import (
	"context"
	"os"
	"strings"
	"testing"

	"mongoferry/internal/random"
	"mongoferry/internal/scenario"
)

const scenarios = "../../testdata/scenarios"

// TestScenarios applies the history of every scenario, and then again from its
// start, as an attempt does that knows of no other; and ends it as a cutover does.
// MONGOFERRY_SCENARIO is a pattern of those wanted.
func TestScenarios(t *testing.T) {
	t.Parallel()
	eachScenario(t, func(t *testing.T, s scenario.Scenario) {
		r := rehearseScenario(t, s)
		r.reset()
		r.applyTwice(nil)
		r.restored()
	})
}

// TestScenariosKilled ends an attempt at every scenario after each number of
// commands. It takes long: MONGOFERRY_SOAK asks for it.
func TestScenariosKilled(t *testing.T) {
	t.Parallel()
	if !random.Soaking() {
		t.Skip("it takes very long: set MONGOFERRY_SOAK=1 to kill attempts at every scenario, MONGOFERRY_SCENARIO to choose some of them")
	}
	eachScenario(t, func(t *testing.T, s scenario.Scenario) {
		rehearseScenario(t, s).killedAnywhere()
	})
}

func eachScenario(t *testing.T, run func(t *testing.T, s scenario.Scenario)) {
	t.Helper()
	all, err := scenario.Load(scenarios, os.Getenv("MONGOFERRY_SCENARIO"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			run(t, s)
		})
	}
}

// rehearseScenario lives a scenario on the source. Some are lived by several tests
// at once.
func rehearseScenario(t *testing.T, s scenario.Scenario) *rehearsal {
	t.Helper()
	suffix := "_s"
	if strings.HasPrefix(t.Name(), "TestScenariosKilled") {
		suffix = "_k"
	}
	r := newRehearsal(t, s.Name+suffix)
	runner := scenario.NewRunner(r.src, r.db)
	t.Cleanup(func() {
		if err := runner.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	part := func(ops []scenario.Operation) {
		t.Helper()
		if err := runner.Run(t.Context(), ops); err != nil {
			t.Fatal(err)
		}
	}
	r.live(func() { part(s.Before) }, func() { part(s.During); part(s.After) })
	return r
}
