package cli

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
)

// within is how soon a command must answer that waits for nothing.
const within = 2 * time.Second

func TestWrongUse(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	broken := filepath.Join(t.TempDir(), "m.yaml")
	if err := os.WriteFile(broken, []byte("source: mongodb://u:hunter2@h/\nsorce: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	unknown := filepath.Join(t.TempDir(), "u.yaml")
	if err := os.WriteFile(unknown, []byte("source: mongodb://u:hunter2@h/\nsorce: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start(name(t))
	cases := []struct {
		name string
		args []string
		want string
	}{
		{"unknown command", []string{"begin"}, "unknown command"},
		{"unknown flag", []string{"status", "--nope"}, "unknown flag: --nope"},
		{"broken YAML", []string{"start", "--config", broken}, "yaml"},
		{"unknown key", []string{"start", "--config", unknown}, `line 2: unknown key "sorce"`},
		{"no source", []string{"start"}, "the source is missing"},
		{"format", []string{"list", "-o", "xml"}, "want text or json"},
		{"two ids", []string{"status", "a", "b"}, "want one migration's id"},
		{"no id", []string{"release-source"}, "accepts 1 arg"},
		{"extra argument", []string{"list", "a"}, "unknown command"},
		{"duration", []string{"validate", "--source", "env:S", "--destination", "env:D", "--ready-lag", "soon"}, "want a duration"},
		{"tune of nothing", []string{"tune", name(t)}, "nothing to change: give --load low|normal|high"},
		{"tune to what is not", []string{"tune", name(t), "--load", "max", "--max-rate", "5"}, `load "max": want low, normal or high; rate "5"`},
		{"cutover without terminal", []string{"cancel", name(t)}, "no terminal to ask on: add --yes"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := s.run(c.args...)
			s.want(got, exitUsage, "", c.want)
			if strings.Count(strings.TrimSpace(got.err), "\n") > 0 || got.out != "" {
				t.Errorf("want one line, got %s%s", got.err, got.out)
			}
		})
	}
}

func TestUnknownID(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	for _, command := range []string{"status", "watch", "history", "pause", "resume", "extend", "cutover", "cancel", "release-source", "cleanup"} {
		got := s.run(command, "nobody")
		s.want(got, exitFailed, "", `unknown id: no migration "nobody"`)
		if got.took > within {
			t.Errorf("%s took %v", command, got.took)
		}
	}
}

func TestTemporalThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0") // it takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	s := newStand(t)
	for _, address := range []string{listener.Addr().String(), "127.0.0.1:1"} {
		s.environ = append(s.environ, "TEMPORAL_ADDRESS="+address)
		for _, args := range [][]string{{"list"}, {"status", "m"}, {"start", "--source", "env:S", "--destination", "env:D"}, {"cancel"}} {
			got := s.run(args...)
			s.want(got, exitFailed, "", "the Temporal at "+address+" does not answer: start it")
			if got.took > within {
				t.Errorf("%v took %v", args, got.took)
			}
		}
	}
}

func TestNamespaceThatIsNotThere(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.environ = append(s.environ, "TEMPORAL_NAMESPACE=nowhere")
	s.want(s.run("status", "m"), exitFailed, "", "has no namespace nowhere")
}

func TestPasswordWithoutKey(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.environ = append(s.environ, "MONGOFERRY_KEY_FILE=", "MONGOFERRY_KEY=")
	s.want(s.run("start", "--source", "mongodb://u:hunter2@h/", "--destination", "env:D"), exitFailed, "", "env:NAME")
	s.environ = append(s.environ, "MONGOFERRY_KEY=tooshort")
	s.want(s.run("start", "--source", "env:S", "--destination", "env:D"), exitFailed, "", "MONGOFERRY_KEY: want 32 bytes")
}

func TestStart(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	id := name(t)
	got := s.run("start", "--id", id, "--source", "mongodb://u:hunter2@source:1/", "--destination", "env:D")
	s.want(got, exitDone, id+"\n", "no worker works on task queue "+s.queue)
	if !strings.Contains(got.err, "list of processes") {
		t.Errorf("no warning that the password can be seen: %s", got.err)
	}
	if got.took > within {
		t.Errorf("took %v", got.took)
	}
	s.want(s.run("start", "--id", id, "--source", "env:S", "--destination", "env:D"), exitFailed, "", "is running already")
	s.noPasswordIn(id)
}

// noPasswordIn searches the exported history.
func (s *stand) noPasswordIn(id string) {
	s.t.Helper()
	events := s.client.GetWorkflowHistory(context.Background(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	n := 0
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			s.t.Fatal(err)
		}
		n++
		if raw := e.String(); strings.Contains(raw, "hunter2") || strings.Contains(raw, "customer data") {
			s.t.Errorf("event %d holds a secret: %s", e.GetEventId(), raw)
		}
	}
	if n == 0 {
		s.t.Error("the history is empty")
	}
}

func TestStartAgain(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.work()
	again := func(id string) result {
		return s.run("start", "--id", id, "--source", "env:S", "--destination", "env:D")
	}

	failed := s.start(name(t) + "-failing")
	s.awaitPhase(failed, migration.Failed)
	s.want(again(failed), exitDone, failed, "")

	expired := s.start(name(t) + "-expiring")
	s.awaitPhase(expired, migration.Expired)
	s.want(again(expired), exitFailed, "", "has ended already")

	terminated := s.start(name(t) + "-ready")
	s.awaitPhase(terminated, migration.Ready)
	if err := s.client.TerminateWorkflow(context.Background(), terminated, "", "test"); err != nil {
		t.Fatal(err)
	}
	s.want(again(terminated), exitFailed, "", "run starter cleanup "+terminated)
	s.want(s.run("cleanup", terminated, "--yes"), exitDone, "nothing of the migration is left", "")
	s.want(again(terminated), exitDone, terminated, "")
}

func TestValidate(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.work()
	flags := []string{"--source", "mongodb://u:hunter2@source:1/", "--destination", "env:D"}
	got := s.run(append([]string{"validate"}, flags...)...)
	s.want(got, exitFailed, "fix: --drop-destination", "")
	s.want(got, exitFailed, "1 of 3 checks block this migration", "")
	got = s.run(append([]string{"validate", "--drop-destination", "-o", "json"}, flags...)...)
	s.want(got, exitDone, `"severity": "warning"`, "")
	var v migration.Validation
	if err := json.Unmarshal([]byte(got.out), &v); err != nil || len(v.Findings) != 2 {
		t.Errorf("got %v, %v", v, err)
	}
}

func TestReadyToCompleted(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.work()
	id := s.start(name(t))
	s.awaitPhase(id, migration.Ready)
	s.want(s.run("status", id), exitDone, "destination:2", "")
	s.want(s.run("resume", id), exitFailed, "", "resume refused: the migration is not paused")
	s.want(s.run("pause", id), exitDone, "pause obeyed", "")
	if doc, _ := s.status(id); !doc.Paused {
		t.Error("is not paused")
	}
	s.want(s.run("resume", id, "-o", "json"), exitDone, `"result": "resume obeyed"`, "")
	s.want(s.run("extend", id, "--no-wait"), exitDone, "accepted", "")
	s.want(s.run("release-source", id, "--yes"), exitFailed, "", "has not completed, its phase is ready")
	s.want(s.run("cleanup", id, "--yes"), exitFailed, "", "is running: starter cancel")
	s.want(s.run("cutover", id), exitUsage, "", "add --yes")
	s.want(s.answer("n\n", "cutover", id), exitFailed, "", "not confirmed, nothing was done")
	s.want(s.answer("y\n", "cutover", id), exitDone, "the source stays closed for writes until: starter release-source "+id, "[y/N]")
	for _, command := range []string{"pause", "resume", "extend", "cancel"} {
		s.want(s.run(command, id, "--yes"), exitFailed, "", command+" refused: the migration "+id+" has ended: completed")
	}
	s.want(s.run("watch", id), exitDone, id+"  completed", "")
	if doc, _ := s.status(id); !doc.Source.WritesBlocked {
		t.Error("the status does not say that the source is blocked")
	}
	s.want(s.run("release-source", id), exitUsage, "", "add --yes")
	s.want(s.run("release-source", id, "--yes"), exitDone, "the source accepts writes", "")
	if doc, _ := s.status(id); doc.Source.WritesBlocked {
		t.Error("the status does not say that the source is free")
	}
	s.want(s.run("history", id), exitDone, "update", "")
	s.noPasswordIn(id)
}

func TestCutoverThatIsBackedOut(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.work()
	id := s.start(name(t) + "-backingout")
	s.awaitPhase(id, migration.Ready)
	s.want(s.run("cutover", id, "--yes"), exitFailed, "cutover backed out: app.users changed", "")
	s.want(s.run("cutover", id, "--yes", "--no-wait"), exitDone, "cutover obeyed", "")
}

func TestCancel(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.work()
	id := s.start(name(t))
	s.awaitPhase(id, migration.Ready)
	s.want(s.run("cancel", id, "--yes"), exitDone, "canceled", "")
	s.want(s.run("watch", id), exitFailed, "canceled", "has not completed: canceled")
	s.want(s.run("release-source", id, "--yes"), exitFailed, "", "has not completed, its phase is canceled")
}

func TestFailed(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.work()
	id := s.start(name(t) + "-failing")
	got := s.run("watch", id, "-o", "json")
	s.want(got, exitFailed, `"phase":"failed"`, "has not completed: failed: preflight: the source is a standalone")
	for line := range strings.Lines(got.out) {
		if err := json.Unmarshal([]byte(line), new(migration.Status)); err != nil {
			t.Errorf("%v: %s", err, line)
		}
	}
	s.want(s.run("cutover", id, "--yes"), exitFailed, "", "the migration has ended: failed")
	s.want(s.run("history", id, "-o", "json"), exitDone, "failed: preflight: the source is a standalone", "")
}

func TestCopyingShowsWhatActivitiesSay(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.work()
	id := s.start(name(t) + "-copying")
	doc := s.await(id, "at 123 documents", func(m migration.Status) bool { return m.Copy.Documents.Copied == 123 })
	if doc.Copy.Indexes.Built != 2 || doc.Replication.LagSeconds != 7 {
		t.Errorf("got %+v", doc)
	}
	got := s.run("status", id)
	s.want(got, exitDone, "insert on the destination fails: mongodb://u:(redacted)@destination:2/ is away", "")
	s.want(s.run("extend", id), exitFailed, "", "the cutover timer has not started")
	s.want(s.run("cutover", id, "--yes"), exitFailed, "", "cutover refused: the initial sync is running")
	s.noPasswordInStatus(id)
	s.want(s.run("cancel", id, "--yes"), exitDone, "canceled", "")
	s.want(s.run("history", id), exitDone, "copy unit 1 of 2, attempt 2, after: the source at mongodb://u:(redacted)@source:1/ is gone", "")
}

func (s *stand) noPasswordInStatus(id string) {
	s.t.Helper()
	for _, command := range []string{"status", "list", "history"} {
		args := []string{command, id}
		if command == "list" {
			args = args[:1]
		}
		if got := s.run(args...); strings.Contains(got.out+got.err, "hunter2") || got.code != exitDone {
			s.t.Errorf("%s: %+v", command, got)
		}
	}
}

func TestStatusWithoutWorker(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	fresh := s.start(name(t) + "-fresh")
	doc, got := s.status(fresh)
	s.want(got, exitDone, noWorker, "")
	if doc.ID != fresh || doc.Phase != migration.Validating || doc.Source.URI != "source:1" || got.took > within {
		t.Errorf("got %+v after %v", doc, got.took)
	}
	stop := s.work()
	id := s.start(name(t))
	before := s.awaitPhase(id, migration.Ready)
	stop()
	doc, got = s.status(id)
	s.want(got, exitDone, noWorker, "")
	if doc.Phase != migration.Ready || doc.UpdatedAt != before.UpdatedAt || got.took > within {
		t.Errorf("got %+v after %v, before %+v", doc, got.took, before)
	}
	if err := s.client.TerminateWorkflow(context.Background(), id, "", "test"); err != nil {
		t.Fatal(err)
	}
	doc, got = s.status(id)
	if doc.Phase != migration.Failed || !strings.Contains(doc.Error, "starter cleanup "+id) || got.took > within {
		t.Errorf("terminated: %+v after %v", doc, got.took)
	}
}

func TestNoWorkerForASmallWorkflow(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	got := s.run("validate", "--id", name(t), "--source", "env:S", "--destination", "env:D")
	s.want(got, exitFailed, "", "no worker works on the task queue: start one")
	info, err := s.client.DescribeWorkflowExecution(context.Background(), name(t)+validateSuffix, "")
	if err != nil {
		t.Fatal(err)
	}
	if status := info.GetWorkflowExecutionInfo().GetStatus(); status != enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED {
		t.Errorf("the workflow that was given up is %v", status)
	}
}

func TestContinuedAsNew(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.work()
	id := s.start(name(t) + "-continuing")
	s.awaitPhase(id, migration.Ready)
	got := s.run("history", id)
	s.want(got, exitDone, "source:1 → destination:2", "")
	if strings.Count(got.out, "started") != 1 || !strings.Contains(got.out, "copying") || !strings.Contains(got.out, "ready") {
		t.Errorf("the history does not have both runs: %s", got.out)
	}
	s.want(s.run("cutover", id, "--yes"), exitDone, "completed", "")
	s.want(s.run("release-source", id, "--yes"), exitDone, "the source accepts writes", "")
}

func TestOtherKey(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.work()
	id := s.start(name(t))
	s.awaitPhase(id, migration.Ready)
	s.want(s.run("cutover", id, "--yes"), exitDone, "completed", "")
	s.environ = append(s.environ, "MONGOFERRY_KEY_FILE=")
	s.want(s.run("status", id), exitDone, "completed", "")
	s.want(s.run("release-source", id, "--yes"), exitFailed, "", "sealed with key "+s.key.ID())
}

// TestIDLeftOut needs a Temporal of its own: it counts what is running.
func TestIDLeftOut(t *testing.T) {
	t.Parallel()
	s := standAt(t, devstack.NewTemporal(t).Address())
	s.work()
	s.want(s.run("list", "-o", "json"), exitDone, "[]", "")
	s.want(s.run("status"), exitUsage, "", "no migration is running")
	first := s.start("first")
	s.awaitPhase(first, migration.Ready)
	s.want(s.run("status"), exitDone, first, "")
	second := s.start("second")
	s.awaitPhase(second, migration.Ready)
	got := s.run("pause")
	s.want(got, exitUsage, "", "2 migrations are running: name one of ")
	if !strings.Contains(got.err, first) || !strings.Contains(got.err, second) {
		t.Errorf("does not name them: %s", got.err)
	}
	s.want(s.run("list"), exitDone, "first   ready  0s   source:1  destination:2", "")
	s.want(s.run("cancel", first, "--yes"), exitDone, "canceled", "")
	s.want(s.run("cutover", "--yes"), exitDone, "second: completed", "")
	s.want(s.run("cutover", "--yes"), exitUsage, "", "no migration is running")
	got = s.run("list")
	s.want(got, exitDone, "canceled", "")
	s.want(got, exitDone, "completed", "")
}
