package replication

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/enginetest"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/random"
)

// Operations of one random life, and how many lives `make test` looks at.
const (
	randomBefore, randomAfter = 60, 120
	randomLives               = 6
	lifeWorkers               = 4
)

// TestRandomHistories applies lives made up from a seed: once, again from the
// start, and by an attempt that is killed at some command and its successor; then
// what was put off is restored. A life that ends in a difference is saved as a
// scenario, after leaving out what the difference does not need.
func TestRandomHistories(t *testing.T) {
	t.Parallel()
	seed, lives := firstSeed(t), randomLives
	var end time.Time
	if random.Soaking() {
		lives = 1 << 30
		end = time.Now().Add(random.Length(t))
	}
	var operations, done atomic.Int64
	var group errgroup.Group
	group.SetLimit(lifeWorkers)
	for n := range lives {
		if !end.IsZero() && time.Now().After(end) || t.Failed() {
			break
		}
		group.Go(func() error {
			randomLife(t, seed+uint64(n), &operations)
			done.Add(1)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d lives from seed %d, %d operations", done.Load(), seed, operations.Load())
}

// firstSeed is the one asked for; that of the clock in a soak, where new lives are
// looked for, and always the same in `make test`, which must not change its mind.
func firstSeed(t *testing.T) uint64 {
	t.Helper()
	if random.Soaking() {
		return random.Seed(t, random.ClockSeed())
	}
	return random.Seed(t, 1)
}

func randomLife(t *testing.T, seed uint64, operations *atomic.Int64) {
	t.Helper()
	var before, after []bson.D
	trouble := false
	failures := attempt(t, func(tb testing.TB) {
		g := random.NewGenerator(seed, 0)
		r, w := newLife(tb)
		live := func(n int) {
			for range n {
				op := g.Next()
				if _, err := w.Do(t.Context(), op); err != nil {
					trouble = true
					tb.Fatalf("the source did not answer to %v: %v", op.Doc, err)
				}
			}
		}
		r.live(func() { live(randomBefore) }, func() { before = w.Log; w.Log = nil; live(randomAfter) })
		after = w.Log
		operations.Add(int64(len(before) + len(after)))
		applyThreeWays(r, seed)
		forget(r)
	})
	if len(failures) == 0 {
		return
	}
	t.Errorf("seed %d:\n%s", seed, failures[0])
	for _, f := range failures[1:] {
		t.Log(f)
	}
	if !trouble {
		keep(t, fmt.Sprintf("random-%d", seed), seed, before, after)
	}
}

// applyThreeWays applies a life as TestApply and TestKilledBetweenAnyTwoCommands
// do, the latter for one command, which the seed picks.
func applyThreeWays(r *rehearsal, seed uint64) {
	r.t.Helper()
	r.reset()
	counter := &enginetest.CountingGate{}
	r.applyTwice(counter)
	pick := rand.New(rand.NewPCG(seed, 2))
	for range 2 {
		r.killedAfter(pick.IntN(int(counter.Commands())), pick.IntN(2) == 0)
	}
	r.restored()
}

// killedAfter applies with an attempt that is killed after n commands, and with
// its successor, which begins where the first one has got, or from the start.
func (r *rehearsal) killedAfter(n int, fromStart bool) {
	r.t.Helper()
	r.reset()
	p, err := r.apply(&serialGate{gate: &shutAfter{left: n}}, false)
	if err == nil {
		return
	}
	if !errors.Is(err, errKilled) {
		r.t.Fatalf("after %d commands: %v", n, err)
	}
	if fromStart {
		p = Progress{Position: r.begin(), Broken: true}
	}
	if _, err := r.applyFrom(p.Position, nil, p.Broken); err != nil {
		r.t.Fatalf("after an attempt that ended after %d commands (from the start: %t): %v", n, fromStart, err)
	}
	r.same(fmt.Sprintf("after an attempt that was killed after %d commands (from the start: %t)", n, fromStart))
}

var lives atomic.Int64

// newLife gives a rehearsal and a writer in databases of their own.
func newLife(t testing.TB) (*rehearsal, *random.Writer) {
	t.Helper()
	r := newRehearsal(t, fmt.Sprintf("life_%d", lives.Add(1)))
	return r, random.NewWriter(r.src, r.db)
}

// forget drops what a life has left on both sides.
func forget(r *rehearsal) {
	r.t.Helper()
	for _, side := range []*mongodb.Client{r.src, r.dst} {
		for _, db := range []string{r.db, r.db + "_2", r.meta} {
			if _, err := side.Run(r.t.Context(), db, bson.D{e("dropDatabase", 1)}); err != nil {
				r.t.Fatal(err)
			}
		}
	}
}

// keep saves a life that failed, smaller when it fails again.
func keep(t *testing.T, name string, seed uint64, before, after []bson.D) {
	t.Helper()
	dir := os.Getenv("MONGOFERRY_ARTIFACTS")
	if dir == "" {
		dir = filepath.Join(os.TempDir(), "mongoferry-scenarios")
	}
	dir = filepath.Join(dir, name)
	about := fmt.Sprintf("random life, seed %d", seed)
	if err := random.Save(dir, about, before, after); err != nil {
		t.Error(err)
		return
	}
	t.Logf("saved in %s; it is being made smaller", dir)
	fails := failsAgain(t, seed)
	if !fails(before, after) {
		t.Log("it does not fail again")
		return
	}
	before, after = shrink(t, before, after, fails)
	if err := random.Save(dir, about, before, after); err != nil {
		t.Error(err)
	}
	t.Logf("%d operations before and %d after are left in %s", len(before), len(after), dir)
}

// TestShrink makes a scenario smaller that MONGOFERRY_SHRINK names, as one that a
// run of the whole product has saved.
func TestShrink(t *testing.T) {
	dir := os.Getenv("MONGOFERRY_SHRINK")
	if dir == "" {
		t.Skip("MONGOFERRY_SHRINK names no scenario")
	}
	before, after, err := random.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	fails := failsAgain(t, 1)
	if !fails(before, after) {
		t.Log("it does not fail here: it is left as it is")
		return
	}
	before, after = shrink(t, before, after, fails)
	if err := random.Save(dir, "a random life", before, after); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d operations before and %d after are left", len(before), len(after))
}

// failsAgain says whether lists of operations end in a difference.
func failsAgain(t *testing.T, seed uint64) func(before, after []bson.D) bool {
	return func(before, after []bson.D) bool {
		played := true
		failures := attempt(t, func(tb testing.TB) {
			r, w := newLife(tb)
			play := func(ops []bson.D) func() {
				return func() {
					for _, op := range ops {
						if _, err := w.Play(t.Context(), op); err != nil {
							played = false
							tb.Fatal(err)
						}
					}
				}
			}
			r.live(play(before), play(after))
			applyThreeWays(r, seed)
			forget(r)
		})
		return played && len(failures) > 0
	}
}

// shrinkPatience bounds the making smaller.
const shrinkPatience = 3 * time.Minute

// shrink leaves out operations as long as what is left fails, and gives what of
// that the server takes.
func shrink(t *testing.T, before, after []bson.D, fails func(before, after []bson.D) bool) (smallBefore, smallAfter []bson.D) {
	t.Helper()
	type op struct {
		doc   bson.D
		after bool
	}
	split := func(ops []op) (before, after []bson.D) {
		for _, o := range ops {
			if o.after {
				after = append(after, o.doc)
			} else {
				before = append(before, o.doc)
			}
		}
		return before, after
	}
	var all []op
	for _, doc := range before {
		all = append(all, op{doc, false})
	}
	for _, doc := range after {
		all = append(all, op{doc, true})
	}
	end := time.Now().Add(shrinkPatience)
	small := random.Shrink(all, func(ops []op) bool {
		return time.Now().Before(end) && fails(split(ops))
	})
	before, after = split(small)
	return replayed(t, before, after)
}

// replayed gives the log of operations that are carried out anew: without some
// that were before them, others are refused.
func replayed(t *testing.T, before, after []bson.D) (_, _ []bson.D) {
	t.Helper()
	var logs [2][]bson.D
	r, w := newLife(t)
	for i, ops := range [][]bson.D{before, after} {
		for _, op := range ops {
			if _, err := w.Play(t.Context(), op); err != nil {
				t.Fatal(err)
			}
		}
		logs[i], w.Log = w.Log, nil
	}
	forget(r)
	return logs[0], logs[1]
}

// attempt runs a part of a test that may fail, and gives what it had to say.
func attempt(t *testing.T, part func(testing.TB)) []string {
	t.Helper()
	trial := &trial{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		part(trial)
	}()
	<-done
	return trial.failures
}

// trial is a test whose failure fails nothing.
type trial struct {
	testing.TB
	failures []string
}

func (t *trial) Errorf(format string, args ...any) {
	t.failures = append(t.failures, fmt.Sprintf(format, args...))
}

func (t *trial) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

func (t *trial) Fatal(args ...any) {
	t.failures = append(t.failures, fmt.Sprintln(args...))
	runtime.Goexit()
}
