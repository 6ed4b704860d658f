package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mongoferry/internal/random"
)

// shrinkLimit bounds the making smaller of one scenario.
const shrinkLimit = 6 * time.Minute

// report says what was done, and saves it after a failure.
func (r *randomRun) report() {
	taken, refused, blocked, all := map[string]int{}, map[string]int{}, 0, 0
	for _, w := range r.writers {
		for kind, n := range w.Taken {
			taken[kind] += n
			all += n
		}
		for kind, n := range w.Refused {
			refused[kind] += n
			all += n
		}
		blocked += w.blocked
	}
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(taken)) {
		kinds = append(kinds, fmt.Sprintf("%s %d/%d", kind, taken[kind], refused[kind]))
	}
	kills := 0
	for _, n := range r.kills {
		kills += n
	}
	r.t.Logf("seed %d: %d operations (taken/refused: %s), %d of them refused by the fence; %d kills of the worker %v; %d events applied",
		r.seed, all, strings.Join(kinds, ", "), blocked, kills, r.kills, r.events)
	if r.t.Failed() {
		r.keep()
	}
}

// keep saves the scenarios of the writers whose databases differ, of all of them
// when the failure is another one, and has them made smaller.
func (r *randomRun) keep() {
	r.t.Helper()
	dir, err := filepath.Abs(os.Getenv("MONGOFERRY_ARTIFACTS"))
	if os.Getenv("MONGOFERRY_ARTIFACTS") == "" {
		dir, err = os.MkdirTemp("", "mongoferry-random-")
	}
	if err != nil {
		r.t.Error(err)
		return
	}
	for n, w := range r.writers {
		differs := false
		for _, db := range w.Databases() {
			differs = differs || len(r.differences[db]) > 0
		}
		if len(r.differences) > 0 && !differs {
			continue
		}
		folder := filepath.Join(dir, fmt.Sprintf("random-%d-%d", r.seed, n))
		about := fmt.Sprintf("writer %d of a random run, seed %d", n, r.seed)
		if err := random.Save(folder, about, w.early, w.Log); err != nil {
			r.t.Error(err)
			continue
		}
		r.t.Logf("seed %d: what writer %d has done is in %s", r.seed, n, folder)
		if differs {
			r.shrink(folder)
		}
	}
}

// shrink makes a scenario smaller where that is quick: without workflow and copy.
func (r *randomRun) shrink(folder string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), shrinkLimit)
	defer cancel()
	command := exec.CommandContext(ctx, "go", "test", "./internal/replication", "-run", "TestShrink$", "-count=1", "-v")
	command.Dir = "../.."
	command.Env = append(os.Environ(), "MONGOFERRY_SHRINK="+folder)
	command.WaitDelay = time.Second
	out, err := command.CombinedOutput()
	switch {
	case err != nil:
		r.t.Logf("%s could not be made smaller and is kept whole: %v\n%s", folder, err, out)
	case strings.Contains(string(out), "it does not fail here"):
		r.t.Logf("%s does not differ when it is applied alone, without copy, workflow and kills: it is kept whole", folder)
	default:
		r.t.Logf("%s was made smaller:\n%s", folder, out)
	}
}
