package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/enginetest"
	"mongoferry/internal/migration"
	"mongoferry/internal/random"
)

const (
	randomWriters = 4
	// randomBefore are the operations of each writer before the start.
	randomBefore = 150
	// randomPace is the time between two operations of a writer; calmPace is that
	// when the end comes, so that a slow machine catches up.
	randomPace, calmPace = time.Second / 25, time.Second / 3
	// leastKills are those before the first cutover.
	leastKills = 3
	// cutoverKills is how many cutovers a run asks for to kill the worker in.
	cutoverKills = 2
)

// TestRandom migrates what several writers make up from a seed, each in its own
// databases, while the worker is killed at random moments, and compares both
// sides. MONGOFERRY_SEED repeats the writers' choices and the killer's; how they
// fall together differs from run to run. A database that differs is saved as a
// scenario, and made smaller if it also differs without the rest of the product.
func TestRandom(t *testing.T) {
	t.Parallel()
	onlyInASoak(t)
	seed, length := random.Seed(t, random.ClockSeed()), random.Length(t)
	t.Logf("seed %d: %s=%d repeats what is done, not when", seed, "MONGOFERRY_SEED", seed)
	s := newStack(t)
	run := newRandomRun(s, seed)
	t.Cleanup(run.report) // also of a run that is over before its end
	run.each(func(w *randomWriter) error { return w.before(t.Context()) })
	fill(t, s.source, ballast)
	run.live(length)
	final := run.cutOver()
	run.events = final.Replication.EventsApplied
	if left := final.Cutover.UnsuccessfulIndexes; len(left) > 0 {
		t.Errorf("unsuccessful indexes: %+v", left)
	}
	run.differences = s.differencesByDatabase()
	for db, found := range run.differences {
		t.Errorf("%s: %s", db, strings.Join(found, "\n"))
	}
}

// randomWriter is one writer, alone in its databases.
type randomWriter struct {
	*random.Writer
	generator *random.Generator
	// early is its log up to the start of the migration.
	early []bson.D
	// blocked counts the operations that met the fence.
	blocked int
}

// before writes what is there at the start.
func (w *randomWriter) before(ctx context.Context) error {
	for range randomBefore {
		if err := w.next(ctx); err != nil {
			return err
		}
	}
	w.early, w.Log = w.Log, nil
	return nil
}

// write goes on until it is told to stop. While the source is fenced each
// operation is refused; a cutover that is backed out lets it go on.
func (w *randomWriter) write(ctx context.Context, calm, stop <-chan struct{}) error {
	tick := time.NewTicker(randomPace)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return w.meetFence(ctx)
		case <-calm:
			tick.Reset(calmPace)
			calm = nil
			continue
		case <-tick.C:
		}
		if err := w.next(ctx); err != nil {
			return err
		}
	}
}

// meetFence goes on until the fence has refused something: it stays after the
// cutover.
func (w *randomWriter) meetFence(ctx context.Context) error {
	for n := 0; w.blocked == 0 && n < randomBefore; n++ {
		if err := w.next(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *randomWriter) next(ctx context.Context) error {
	op := w.generator.Next()
	code, err := w.Do(ctx, op)
	if err != nil {
		return fmt.Errorf("the source did not answer to %v: %w", op.Doc, err)
	}
	if code == random.WritesBlocked {
		w.blocked++
	}
	return nil
}

// randomRun is a migration of what writers make up, and its killer.
type randomRun struct {
	*ordeal
	seed    uint64
	writers []*randomWriter
	choose  *rand.Rand
	kills   map[string]int
	events  int64
	// differences are by database.
	differences map[string][]string
	// calm slows the writers down, stop ends them; group is them.
	calm, stop chan struct{}
	group      *errgroup.Group
}

func newRandomRun(s *stack, seed uint64) *randomRun {
	s.t.Helper()
	source := enginetest.Dial(s.t, "source", s.src.URI())
	r := &randomRun{
		ordeal: &ordeal{stack: s, id: "random"}, seed: seed, choose: rand.New(rand.NewPCG(seed, randomWriters)),
		kills: map[string]int{}, calm: make(chan struct{}), stop: make(chan struct{}), group: &errgroup.Group{},
	}
	for n := range randomWriters {
		r.writers = append(r.writers, &randomWriter{
			Writer: random.NewWriter(source, fmt.Sprintf("random_%d", n)), generator: random.NewGenerator(seed, n),
		})
	}
	return r
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

// live starts the migration and the writers, and kills the worker at random
// moments: early in the copy, then every few seconds, at last in a cutover.
func (r *randomRun) live(length time.Duration) {
	r.t.Helper()
	r.worker = r.stack.worker()
	r.start(r.spec(r.id))
	for _, w := range r.writers {
		r.group.Go(func() error { return w.write(context.Background(), r.calm, r.stop) })
	}
	r.t.Cleanup(r.endWriters) // also after a failure
	r.await(r.id, "the copy", func(st migration.Status) bool {
		return st.Phase == migration.Copying || st.Phase == migration.CatchingUp || st.Phase == migration.Ready
	})
	r.after(0, 300*time.Millisecond)
	r.kill()
	end := time.Now().Add(length)
	for n := 1; n < leastKills || time.Now().Before(end); n++ {
		r.after(1500*time.Millisecond, 5*time.Second)
		r.kill()
	}
	close(r.calm)
	for range cutoverKills {
		st := r.await(r.id, "ready or completed", func(st migration.Status) bool {
			return st.Phase == migration.Ready || st.Phase == migration.Completed
		})
		if st.Phase == migration.Completed {
			return // the cutover that a worker was killed in has gone through
		}
		r.signal(r.id, migration.MessageCutover)
		r.after(0, 1500*time.Millisecond)
		r.kill()
	}
}

// after lets a random time pass.
func (r *randomRun) after(least, most time.Duration) {
	time.Sleep(least + time.Duration(r.choose.Int64N(int64(most-least))))
}

// kill ends the worker with SIGKILL and starts another one.
func (r *randomRun) kill() {
	r.t.Helper()
	phase := "unknown"
	if st, err := r.statusWithin(r.id, time.Second); err == nil {
		phase = string(st.Phase)
	}
	if err := r.worker.Kill(); err != nil {
		r.t.Fatal(err)
	}
	r.kills[phase]++
	r.worker = r.stack.worker()
}

// cutOver cuts over with the writers at work, which the fence stops. A cutover
// that a worker was killed in may still be under way, and catching up may take
// its time: then it asks again.
func (r *randomRun) cutOver() migration.Status {
	r.t.Helper()
	var final migration.Status
	refusal := ""
	for end := time.Now().Add(2 * r.patience); final.Phase != migration.Completed; {
		if time.Now().After(end) {
			r.t.Fatalf("no cutover completes; the last one: %s", refusal)
		}
		final = r.await(r.id, "ready or completed", func(st migration.Status) bool {
			return st.Phase == migration.Ready || st.Phase == migration.Completed
		})
		if final.Phase == migration.Completed {
			break
		}
		if _, err := r.update(r.id, migration.MessageCutover); err != nil && err.Error() != refusal {
			refusal = err.Error()
			r.t.Logf("cutover: %s", refusal)
		}
		r.after(200*time.Millisecond, 400*time.Millisecond)
	}
	r.endWriters()
	for _, w := range r.writers {
		if w.blocked == 0 {
			r.t.Errorf("%s has never met the fence", w.Databases()[0])
		}
	}
	return final
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
