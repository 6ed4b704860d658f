package replication

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/enginetest"
	"mongoferry/internal/mongodb"
)

// workload is what applications do to one collection of the source: how many of a
// hundred operations are updates, inserts and replaces (the rest are deletes), and
// how many of a hundred updates go to one document in a hundred.
type workload struct {
	name                       string
	updates, inserts, replaces int
	hot                        int
}

var workloads = []workload{
	{"mixed", 60, 25, 10, 0},
	{"hot", 60, 25, 10, 90},
	{"hot-updates", 100, 0, 0, 90},
}

// Sizes of a benchmark, and how applications write: so many at once, each so many
// operations in one go.
const (
	benchDocuments  = 20_000
	benchOperations = 40_000
	applications    = 4
	inOneGo         = 100
)

// BenchmarkReplay applies histories, after each other by a plain applier (see
// plain) and by ours, and gives the rates of both and their ratio, which says more
// than either: they share the machine with both servers and whatever else runs.
// MONGOFERRY_BENCH_DOCUMENTS and MONGOFERRY_BENCH_OPERATIONS make it larger: take
// 200000 and 400000 to compare versions.
func BenchmarkReplay(b *testing.B) {
	documents, operations := fromEnvironment(b, "MONGOFERRY_BENCH_DOCUMENTS", benchDocuments), fromEnvironment(b, "MONGOFERRY_BENCH_OPERATIONS", benchOperations)
	for _, w := range workloads {
		b.Run(w.name, func(b *testing.B) {
			r := newRehearsal(b, "bench_"+w.name)
			r.writers = plainWriters
			defer forget(r)
			apps := w.start(documents)
			r.live(func() { apps.fill(b, r) }, func() { apps.work(b, r, operations) })
			var ours, plainly spent
			events := int64(0)
			b.ResetTimer()
			for range b.N {
				b.StopTimer()
				r.reset()
				plainly.measure(r, func() { events = applyPlainly(b, r) })
				r.same("by the plain applier")
				r.reset()
				b.StartTimer()
				var p Progress
				var err error
				ours.measure(r, func() { p, err = r.apply(nil, false) })
				b.StopTimer()
				must(b, err)
				r.same("by ours")
				if p.EventsApplied != events {
					b.Fatalf("%d events were applied, and %d by the plain applier", p.EventsApplied, events)
				}
			}
			all := float64(events) * float64(b.N)
			ours.report(b, "", all)
			plainly.report(b, "plain-", all)
			b.ReportMetric(plainly.elapsed.Seconds()/ours.elapsed.Seconds(), "ratio")
			b.ReportMetric((plainly.tool+plainly.source+plainly.destination).Seconds()/(ours.tool+ours.source+ours.destination).Seconds(), "cpu-ratio")
		})
	}
}

func fromEnvironment(b *testing.B, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatalf("%s: %v", name, err)
	}
	return n
}

// spent is time, and what both servers and this process, which is the tool, have
// used of the processors.
type spent struct{ elapsed, tool, source, destination time.Duration }

func (s *spent) measure(r *rehearsal, do func()) {
	r.t.Helper()
	began, tool, source, destination := time.Now(), processTime(r.t), serverTime(r.t, r.src), serverTime(r.t, r.dst)
	do()
	s.elapsed += time.Since(began)
	s.tool += processTime(r.t) - tool
	s.source += serverTime(r.t, r.src) - source
	s.destination += serverTime(r.t, r.dst) - destination
}

func (s *spent) report(b *testing.B, whose string, events float64) {
	b.ReportMetric(events/s.elapsed.Seconds(), whose+"ops/s")
	b.ReportMetric(float64(s.tool.Nanoseconds())/events, whose+"tool-cpu-ns/op")
	b.ReportMetric(float64(s.source.Nanoseconds())/events, whose+"src-cpu-ns/op")
	b.ReportMetric(float64(s.destination.Nanoseconds())/events, whose+"dst-cpu-ns/op")
}

// processTime is what this process has used of the processors.
func processTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// serverTime is what a server has used.
func serverTime(t testing.TB, c *mongodb.Client) time.Duration {
	t.Helper()
	info := enginetest.Run(t, c, "admin", d("serverStatus", 1)).Lookup("extra_info").Document()
	user, _ := info.Lookup("user_time_us").AsInt64OK()
	system, _ := info.Lookup("system_time_us").AsInt64OK()
	return time.Duration(user+system) * time.Microsecond
}

// application writes to documents that no other one writes to.
type application struct {
	workload
	random *rand.Rand
	ids    []int64
	hotIDs []int64
}

type inhabitants struct {
	apps   []*application
	nextID atomic.Int64
}

func (w workload) start(documents int) *inhabitants {
	h := &inhabitants{}
	for i := range applications {
		h.apps = append(h.apps, &application{workload: w, random: rand.New(rand.NewPCG(7, uint64(i)))})
	}
	for id := range int64(documents) {
		a := h.apps[id%applications]
		a.ids = append(a.ids, id)
		if id/applications%100 == 0 {
			a.hotIDs = append(a.hotIDs, id)
		}
	}
	h.nextID.Store(int64(documents))
	return h
}

// fill makes the documents that are there before the history.
func (h *inhabitants) fill(t testing.TB, r *rehearsal) {
	r.run([]bson.D{create("c")})
	h.each(t, func(a *application) error {
		for from := 0; from < len(a.ids); from += 1000 {
			var docs []bson.D
			for _, id := range a.ids[from:min(from+1000, len(a.ids))] {
				docs = append(docs, a.document(id))
			}
			if _, err := r.src.Run(t.Context(), r.db, insert("c", docs...)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (h *inhabitants) each(t testing.TB, do func(a *application) error) {
	t.Helper()
	var group errgroup.Group
	for _, a := range h.apps {
		group.Go(func() error { return do(a) })
	}
	must(t, group.Wait())
}

func (h *inhabitants) work(t testing.TB, r *rehearsal, operations int) {
	h.each(t, func(a *application) error {
		for n := 0; n < operations/applications; n += inOneGo {
			for _, command := range a.some(inOneGo, &h.nextID) {
				if _, err := r.src.Run(t.Context(), r.db, command); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// some makes up operations, by kind as an unordered bulk write sends them.
func (a *application) some(n int, nextID *atomic.Int64) []bson.D {
	var docs, updates, deletes []bson.D
	for range n {
		switch dice := a.random.IntN(100); {
		case dice < a.updates:
			updates = append(updates, d("q", d("_id", a.pick()), "u", d("$set", d("status", a.random.IntN(1000), "at", bson.DateTime(a.random.Int64N(1<<40))))))
		case dice < a.updates+a.inserts:
			id := nextID.Add(1)
			a.ids = append(a.ids, id)
			docs = append(docs, a.document(id))
		case dice < a.updates+a.inserts+a.replaces:
			id := a.ids[a.random.IntN(len(a.ids))]
			updates = append(updates, d("q", d("_id", id), "u", a.document(id)))
		default:
			deletes = append(deletes, d("q", d("_id", a.leave()), "limit", 1))
		}
	}
	var commands []bson.D
	if len(docs) > 0 {
		commands = append(commands, insert("c", docs...))
	}
	if len(updates) > 0 {
		commands = append(commands, d("update", "c", "updates", updates))
	}
	if len(deletes) > 0 {
		commands = append(commands, d("delete", "c", "deletes", deletes))
	}
	return commands
}

func (a *application) pick() int64 {
	if a.random.IntN(100) < a.hot {
		return a.hotIDs[a.random.IntN(len(a.hotIDs))]
	}
	return a.ids[a.random.IntN(len(a.ids))]
}

// leave takes a document's _id out, though no hot one's.
func (a *application) leave() int64 {
	for {
		i := a.random.IntN(len(a.ids))
		if id := a.ids[i]; id/applications%100 != 0 {
			a.ids[i] = a.ids[len(a.ids)-1]
			a.ids = a.ids[:len(a.ids)-1]
			return id
		}
	}
}

func (a *application) document(id int64) bson.D {
	return d("_id", id, "name", fmt.Sprintf("customer %d", id), "status", a.random.IntN(1000), "at", bson.DateTime(a.random.Int64N(1<<40)),
		"address", d("street", "Long Road", "number", a.random.IntN(200), "city", "Springfield"), "tags", bson.A{"a", "b", "c"},
		"about", "the quick brown fox jumps over the lazy dog, and then once more", "score", a.random.Float64())
}
