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
