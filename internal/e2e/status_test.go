package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"mongoferry/internal/migration"
)

// statusWithin is how soon starter status has to answer, in every phase, whether
// there is a worker or not.
const statusWithin = 2 * time.Second

// shows runs starter status and wants an answer in time.
func (s *stack) shows(id string) migration.Status {
	s.t.Helper()
	began := time.Now()
	code, out, errs := s.starter("status", id, "-o", "json")
	took := time.Since(began)
	var st migration.Status
	if err := json.Unmarshal([]byte(out), &st); err != nil || code != 0 || st.ID != id {
		s.t.Fatalf("status: exit code %d: %s%s", code, out, errs)
	}
	// The race detector and a busy machine slow the reading side down.
	if took > 2*statusWithin {
		s.t.Errorf("status took %s in %s", took, st.Phase)
	}
	return st
}

// TestStatusInEveryPhase asks in each phase, kills the worker, and asks again.
func TestStatusInEveryPhase(t *testing.T) {
	t.Parallel()
	o := newOrdeal(t, "s", 60_000)
	for _, phase := range []migration.Phase{migration.Copying, migration.CatchingUp, migration.Ready, migration.CuttingOver} {
		o.reach(phase)
		if st := o.shows("s"); noWorker(st) {
			t.Errorf("in %s the status says that there is no worker: %+v", phase, st.Notices)
		}
		if err := o.worker.Kill(); err != nil {
			t.Fatal(err)
		}
		if st := o.shows("s"); !noWorker(st) || st.Source.URI == "" {
			t.Errorf("in %s the status does not say that there is no worker: %+v", phase, st)
		}
		o.worker = o.stack.worker()
	}
	o.finish()
	if st := o.shows("s"); st.Phase != migration.Completed || !st.InitialSync.Completed || st.Replication.EventsApplied == 0 {
		t.Errorf("at the end: %+v", st)
	}
}

// TestStatusBeforeAnyWorker: what is known is what was asked for.
func TestStatusBeforeAnyWorker(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.must("start", "--id", "s", "--source", s.src.URI(), "--destination", s.dst.URI())
	st := s.shows("s")
	if st.Phase != migration.Validating || !noWorker(st) || st.Source.URI != s.src.Host() {
		t.Errorf("%+v", st)
	}
}

func noWorker(st migration.Status) bool {
	for _, n := range st.Notices {
		if strings.Contains(n.Message, "no worker") {
			return true
		}
	}
	return false
}
