package e2e

import (
	"context"
	"strings"
	"testing"

	"mongoferry/internal/migration"
)

// terminate ends a workflow as an operator in a hurry would.
func (s *stack) terminate(id string) {
	s.t.Helper()
	if err := s.client.TerminateWorkflow(context.Background(), id, "", "by hand"); err != nil {
		s.t.Fatal(err)
	}
}

// must runs a command of the starter's that has to succeed.
func (s *stack) must(args ...string) string {
	s.t.Helper()
	code, out, errs := s.starter(args...)
	if code != 0 {
		s.t.Fatalf("starter %s: exit code %d: %s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// TestCleanupOfACopy: after a terminate the destination stays claimed until
// cleanup, then the same migration can begin again.
func TestCleanupOfACopy(t *testing.T) {
	t.Parallel()
	o := newOrdeal(t, "t", 60_000)
	o.reach(migration.Copying)
	o.terminate("t")
	clusters := []string{"--source", o.src.URI(), "--destination", o.dst.URI()}
	code, _, errs := o.starter(append([]string{"start", "--id", "t"}, clusters...)...)
	if code != 1 || !strings.Contains(errs, "starter cleanup t") {
		t.Errorf("start after a terminate: exit code %d: %s", code, errs)
	}
	o.must("cleanup", "t", "--yes")
	o.leftNothing()
	// What the source has dropped since is not among what is to be migrated.
	if err := o.dest.Database("crm").Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.must(append([]string{"start", "--id", "t", "--drop-destination"}, clusters...)...)
	o.finish()
}

// TestCleanupAtTheFence kills the worker and terminates the workflow while the
// source is fenced.
func TestCleanupAtTheFence(t *testing.T) {
	t.Parallel()
	o := newOrdeal(t, "t", 20_000)
	o.reach(migration.CuttingOver)
	if err := o.worker.Kill(); err != nil {
		t.Fatal(err)
	}
	o.terminate("t")
	opened := o.opened()
	t.Logf("the destination was open already: %t", opened)
	o.worker = o.stack.worker()
	out := o.must("cleanup", "t", "--yes")
	if opened {
		if !strings.Contains(out, "starter release-source t") || !o.blocked() {
			t.Errorf("the source is blocked: %t, the answer was %s", o.blocked(), out)
		}
		o.workload.end()
		o.identical()
		o.must("release-source", "t", "--yes")
	}
	o.leftNothing()
	o.accepts(o.source)
}
