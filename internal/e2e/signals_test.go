package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
)

// signal sends one with Temporal's own command line.
func (s *stack) signal(id, name string, more ...string) {
	s.t.Helper()
	path, err := devstack.Temporal(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(path, append([]string{"workflow", "signal", "--workflow-id", id, "--name", name}, more...)...)
	cmd.Env = append(os.Environ(), "TEMPORAL_ADDRESS="+s.temporal.Address(), "TEMPORAL_CONFIG_FILE=/dev/null")
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("signal %s: %v: %s", name, err, out)
	}
}

// awaitNotice waits for a notice that holds the text.
func (s *stack) awaitNotice(id, text string) migration.Status {
	s.t.Helper()
	return s.await(id, "a notice with "+text, func(st migration.Status) bool {
		for _, n := range st.Notices {
			if strings.Contains(n.Message, text) {
				return true
			}
		}
		return false
	})
}

func (s *stack) awaitPace(id string, pace migration.Pace) {
	s.t.Helper()
	s.await(id, pace.String(), func(st migration.Status) bool { return st.Pace == pace })
}

// slowBytes is how many bytes a second a copy may take that is to be met on its way, also
// by a test that Temporal keeps waiting for an answer.
const slowBytes = 12e6

// slowly is a migration whose copy takes its time.
func (s *stack) slowly(id string) migration.Spec {
	spec := s.spec(id)
	spec.Pace = migration.Pace{Load: migration.LoadNormal, MaxRate: migration.Rate{Bytes: slowBytes}}
	return spec
}

// TestSignals drives a migration with nothing but the temporal command.
func TestSignals(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.worker()
	fill(t, s.source, 60_000)
	const id = "signals"
	s.start(s.slowly(id))
	s.awaitPhase(id, migration.Copying)
	s.signal(id, migration.MessagePause)
	s.await(id, "the copy to be paused", func(st migration.Status) bool { return st.Phase == migration.Copying && st.Paused })
	s.signal(id, migration.MessageCutover)
	st := s.awaitNotice(id, "cutover refused: the initial sync")
	if st.Cutover.Allowed || len(st.Cutover.Reasons) == 0 {
		t.Errorf("a cutover is said to be allowed during the copy: %+v", st.Cutover)
	}
	s.signal(id, migration.MessageExtend)
	s.awaitNotice(id, "extend refused: ")
	s.signal(id, migration.MessageTune, "--input", `{"load":"gentle"}`)
	s.awaitNotice(id, `tune refused: load "gentle": want low, normal or high`)
	s.signal(id, migration.MessageTune, "--input", "full speed", "--input-meta", "encoding=text/plain")
	s.awaitNotice(id, "tune refused: it ")
	s.signal(id, migration.MessageTune)
	s.awaitNotice(id, "tune refused: it says nothing")
	s.signal(id, migration.MessageTune, "--input", `{"load":"low"}`)
	s.awaitPace(id, migration.Pace{Load: migration.LoadLow, MaxRate: migration.Rate{Bytes: slowBytes}})
	s.signal(id, migration.MessageResume)
	s.awaitPhase(id, migration.Ready)
	s.signal(id, migration.MessageResume)
	s.awaitNotice(id, "resume refused: ")
	s.signal(id, migration.MessageTune, "--input", `{"load":"high","maxRate":"20MB/s"}`)
	s.awaitPace(id, migration.Pace{Load: migration.LoadHigh, MaxRate: migration.Rate{Bytes: 20e6}})
	before := s.deadline(id)
	s.signal(id, migration.MessageExtend)
	s.await(id, "the timer to be extended", func(st migration.Status) bool { return st.Cutover.Extensions == 1 })
	if got := s.deadline(id).Sub(before); got != migration.DefaultExtension {
		t.Errorf("extended by %s", got)
	}
	s.signal(id, migration.MessageCutover)
	s.awaitPhase(id, migration.Completed)
	s.identical()
	s.record(id, "signals")
}

func (s *stack) deadline(id string) time.Time {
	s.t.Helper()
	st, err := s.status(id)
	if err != nil {
		s.t.Fatal(err)
	}
	at, err := time.Parse(time.RFC3339, st.Cutover.Deadline)
	if err != nil {
		s.t.Fatal(err)
	}
	return at
}

// TestUpdates sends the same messages as updates: a refusal comes back at once.
func TestUpdates(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.worker()
	fill(t, s.source, 60_000)
	const id = "updates"
	s.start(s.slowly(id))
	s.awaitPhase(id, migration.Copying)
	refused := func(name, why string) {
		t.Helper()
		if _, err := s.update(id, name); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want it refused with %q", name, err, why)
		}
	}
	s.mustUpdate(id, migration.MessagePause)
	refused(migration.MessagePause, "paused")
	refused(migration.MessageCutover, "the initial sync")
	refused(migration.MessageExtend, "the cutover timer")
	s.mustUpdate(id, migration.MessageResume)
	refused(migration.MessageResume, "not paused")
	s.awaitPhase(id, migration.Ready)
	s.mustUpdate(id, migration.MessageExtend)
	s.mustUpdate(id, migration.MessageCutover)
	s.awaitPhase(id, migration.Completed)
	st, err := s.status(id)
	if err != nil || st.Cutover.Extensions != 1 || len(st.Notices) > 0 {
		t.Errorf("status %+v, %v", st, err)
	}
	s.identical()
}
