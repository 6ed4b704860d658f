package e2e

import (
	"slices"
	"strings"
	"time"

	"mongoferry/internal/migration"
)

// killInCutover kills the worker within a cutover, unless the migration completes
// first: a cutover that a worker was killed in may go through.
func (r *randomRun) killInCutover() {
	r.t.Helper()
	if _, completed := r.askForCutover(); !completed {
		r.killWhile(500*time.Millisecond, stepCutOver)
	}
}

// cutOver cuts over with the writers at work, which the fence stops.
func (r *randomRun) cutOver() migration.Status {
	r.t.Helper()
	final, completed := r.askForCutover()
	for !completed {
		final, completed = r.askForCutover()
	}
	r.endWriters()
	for _, w := range r.writers {
		if w.blocked == 0 {
			r.t.Errorf("%s has never met the fence", w.Databases()[0])
		}
	}
	return final
}

// askForCutover asks until a cutover begins, or the migration is completed: one
// that a worker was killed in may still be under way, and catching up may take its
// time.
func (r *randomRun) askForCutover() (st migration.Status, completed bool) {
	r.t.Helper()
	refusal := ""
	for end := time.Now().Add(2 * r.patience); time.Now().Before(end); r.after(400 * time.Millisecond) {
		st = r.await(r.id, "ready or completed", func(st migration.Status) bool {
			return st.Phase == migration.Ready || st.Phase == migration.Completed
		})
		r.check(st)
		if st.Phase == migration.Completed {
			return st, true
		}
		_, err := r.update(r.id, migration.MessageCutover)
		if err == nil {
			return st, false
		}
		if err.Error() != refusal {
			refusal = err.Error()
			r.note("cutover: %s", refusal)
		}
	}
	r.t.Fatalf("no cutover begins; the last one: %s", refusal)
	return st, false
}

// untimely are the reasons for which a cutover may be backed out: its worker was
// killed, or the machine was too slow.
var untimely = []string{"within the cutover timeout", "its worker lost the connection to Temporal"}

// check fails the test when a cutover was backed out for another reason. A
// difference at the fence is one, even when the next cutover finds none.
func (r *randomRun) check(st migration.Status) {
	r.t.Helper()
	for _, n := range st.Notices {
		if r.seen[n] || !strings.HasPrefix(n.Message, "cutover backed out") {
			continue
		}
		r.seen[n] = true
		if !slices.ContainsFunc(untimely, func(reason string) bool { return strings.Contains(n.Message, reason) }) {
			r.t.Errorf("%s: %s", n.At, n.Message)
			continue
		}
		r.t.Logf("%s: %s", n.At, n.Message)
	}
}
