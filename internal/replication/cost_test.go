package replication

import (
	"runtime"
	"testing"

	"mongoferry/internal/catalog"
	"mongoferry/internal/enginetest"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// cost is what a thousand events cost at most. There are no times in it: they say
// more of the machine than of the code.
type cost struct {
	// commands to the destination, with those that begin and end a run.
	commands float64
	// statements that the changes are left with.
	statements float64
	// allocated is bytes for reading and planning them, and for making commands.
	allocated float64
}

// TestCost: what histories may cost. It does not run beside others, whose events
// would be in the stream.
func TestCost(t *testing.T) {
	const documents, operations = 2000, 6000
	for _, c := range []struct {
		workload workload
		limit    cost
	}{
		{workloads[0], cost{commands: 5, statements: 600, allocated: 2.2e6}},
		{workloads[1], cost{commands: 5, statements: 450, allocated: 2.0e6}},
		{workloads[2], cost{commands: 4, statements: 110, allocated: 1.1e6}},
	} {
		t.Run(c.workload.name, func(t *testing.T) {
			r := newRehearsal(t, "cost_"+c.workload.name)
			defer forget(r)
			apps := c.workload.start(documents)
			r.live(func() { apps.fill(t, r) }, func() { apps.work(t, r, operations) })
			r.reset()
			gate := &enginetest.CountingGate{}
			p, err := r.apply(gate, false)
			must(t, err)
			r.same("applied")
			thousands := float64(p.EventsApplied) / 1000
			got := planned(t, r)
			got.commands = float64(gate.Commands()) / thousands
			got.statements /= thousands
			got.allocated /= thousands
			t.Logf("a thousand of %d events: %.1f commands, %.0f statements, %.0f bytes allocated", p.EventsApplied, got.commands, got.statements, got.allocated)
			if got.commands > c.limit.commands || got.statements > c.limit.statements || got.allocated > c.limit.allocated {
				t.Errorf("got %+v, want at most %+v", got, c.limit)
			}
		})
	}
}

// planned goes the way of all events of a history up to the commands, and sends
// none.
func planned(t *testing.T, r *rehearsal) (all cost) {
	t.Helper()
	cursor, err := mongodb.OpenStream(t.Context(), r.src, r.start.ResumeToken, streamBatch)
	must(t, err)
	defer func() { must(t, cursor.Close(t.Context())) }()
	a := &Applier{Config: Config{Map: catalog.NewMap(r.dst, r.meta)}}
	must(t, a.Map.Load(t.Context()))
	for at := (migration.OpTime{}); at.Before(r.end); {
		raw, err := cursor.Next(t.Context())
		must(t, err)
		if len(raw.PostBatchToken) == 0 {
			continue
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		batch, err := (&reader{}).take(raw)
		must(t, err)
		p := newPlan(len(batch.events))
		for i := range batch.events {
			if e := &batch.events[i]; e.isDocument() {
				a.plan(p, e)
			}
		}
		w := writer{slot: &mongodb.Slot{}}
		for _, c := range p.order {
			c.settle()
			to, _ := a.Map.ByUUID(c.key.uuid)
			w.add(to, c)
		}
		all.statements += float64(w.statements)
		for _, c := range w.pending {
			c.encode(w.slot)
		}
		runtime.ReadMemStats(&after)
		all.allocated += float64(after.TotalAlloc - before.TotalAlloc)
		at = batch.opTime
	}
	return all
}
