package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/enginetest"
	"mongoferry/internal/migration"
	"mongoferry/internal/random"
)

const randomWriters = 4

// randomForm is how long a random run is. Beyond the kills that every run has, it
// goes on for a while, and has so many cutovers that a worker is killed in.
type randomForm struct {
	// before are the operations of each writer before the start.
	before, ballast int
	// pace is the time between two operations of a writer.
	pace         time.Duration
	length       time.Duration
	cutoverKills int
	patience     time.Duration
}

// formOf gives the form of `make test`, or that of a soak.
func formOf(t *testing.T) randomForm {
	t.Helper()
	if random.Soaking() {
		return randomForm{before: 150, ballast: ballast, pace: time.Second / 15, length: random.Length(t), cutoverKills: 2, patience: 3 * patience}
	}
	return randomForm{before: 40, ballast: ballast / 2, pace: time.Second / 12, cutoverKills: 1, patience: patience}
}

// TestRandom migrates what several writers make up from a seed, each in its own
// databases, while the worker is killed at random moments, and compares both
// sides. MONGOFERRY_SEED repeats the writers' choices and the killer's; how they
// fall together differs from run to run. A database that differs is saved as a
// scenario, and made smaller if it also differs without the rest of the product.
func TestRandom(t *testing.T) {
	t.Parallel()
	form, seed := formOf(t), random.Seed(t, random.ClockSeed())
	t.Logf("seed %d: %s=%d repeats what is done, not when", seed, "MONGOFERRY_SEED", seed)
	s := newStack(t)
	s.patience = form.patience
	run := newRandomRun(s, form, seed)
	t.Cleanup(run.report) // also of a run that is over before its end
	run.each(func(w *randomWriter) error { return w.before(t.Context(), form.before) })
	run.fill()
	run.note("the migration starts")
	run.live()
	final := run.cutOver()
	run.note("it has ended")
	run.events = final.Replication.EventsApplied
	if left := final.Cutover.UnsuccessfulIndexes; len(left) > 0 {
		t.Errorf("unsuccessful indexes: %+v", left)
	}
	run.differences = s.differencesByDatabase()
	for db, found := range run.differences {
		t.Errorf("%s: %s", db, strings.Join(found, "\n"))
	}
}

// randomRun is a migration of what writers make up, and its killer.
type randomRun struct {
	*ordeal
	randomForm
	seed    uint64
	began   time.Time
	writers []*randomWriter
	choose  *rand.Rand
	kills   map[migration.Phase]int
	events  int64
	// seen are the notices that were checked.
	seen map[migration.Notice]bool
	// differences are by database.
	differences map[string][]string
	// calm slows the writers down, stop ends them; group is them.
	calm  atomic.Bool
	stop  chan struct{}
	group *errgroup.Group
}

func newRandomRun(s *stack, form randomForm, seed uint64) *randomRun {
	s.t.Helper()
	source := enginetest.Dial(s.t, "source", s.src.URI())
	r := &randomRun{
		ordeal: &ordeal{stack: s, id: "random"}, randomForm: form, seed: seed, began: time.Now(), choose: rand.New(rand.NewPCG(seed, randomWriters)),
		kills: map[migration.Phase]int{}, seen: map[migration.Notice]bool{},
		stop: make(chan struct{}), group: &errgroup.Group{},
	}
	for n := range randomWriters {
		r.writers = append(r.writers, &randomWriter{
			Writer: random.NewWriter(source, fmt.Sprintf("random_%d", n)), generator: random.NewGenerator(seed, n),
		})
	}
	return r
}

// note tells how far the run is, and after which time.
func (r *randomRun) note(format string, args ...any) {
	r.t.Helper()
	r.t.Logf("%5.1f s: %s", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}

// each does something for all writers side by side.
func (r *randomRun) each(what func(*randomWriter) error) {
	r.t.Helper()
	var group errgroup.Group
	for _, w := range r.writers {
		group.Go(func() error { return what(w) })
	}
	if err := group.Wait(); err != nil {
		r.t.Fatal(err)
	}
}

// fill makes the copy take long enough to be met.
func (r *randomRun) fill() {
	r.t.Helper()
	pad := strings.Repeat("x", 900)
	for from := 0; from < r.ballast; from += 1000 {
		var docs []any
		for i := from; i < from+1000; i++ {
			docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "pad", Value: pad}})
		}
		if _, err := r.source.Database("ballast").Collection("c").InsertMany(r.t.Context(), docs); err != nil {
			r.t.Fatal(err)
		}
	}
}

// live starts the migration and the writers, and kills the worker at random
// moments: in the copy, soon after, in the sync, at last in a cutover.
func (r *randomRun) live() {
	r.t.Helper()
	r.worker = r.stack.worker()
	r.start(r.spec(r.id))
	for _, w := range r.writers {
		r.group.Go(func() error { return w.write(context.Background(), r.paceNow, r.stop) })
	}
	r.t.Cleanup(r.endWriters) // also after a failure
	r.killWhile(100*time.Millisecond, stepCopy)
	r.after(2 * time.Second)
	r.kill()
	for end := time.Now().Add(r.length); time.Now().Before(end); {
		if r.choose.IntN(2) == 0 { // so that the lag does not grow for ever
			r.calm.Store(true)
			r.awaitSmallLag()
			r.calm.Store(false)
		}
		r.killWhile(4*time.Second, stepCopy, stepIndexes, stepApply, stepLook)
	}
	r.calm.Store(true)
	r.awaitSmallLag()
	for range r.cutoverKills {
		r.killInCutover()
	}
	for _, phase := range []migration.Phase{migration.Copying, migration.CuttingOver} {
		if r.kills[phase] == 0 {
			r.t.Errorf("no worker was killed in phase %s", phase)
		}
	}
}

// paceNow is the time between two operations of a writer.
func (r *randomRun) paceNow() time.Duration {
	if r.calm.Load() {
		return max(r.pace, calmPace)
	}
	return r.pace
}

// endWriters is for good: the second time it does nothing.
func (r *randomRun) endWriters() {
	select {
	case <-r.stop:
		return
	default:
		close(r.stop)
	}
	if err := r.group.Wait(); err != nil {
		r.t.Error(err)
	}
}
