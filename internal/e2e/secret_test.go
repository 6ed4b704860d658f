package e2e

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	enumspb "go.temporal.io/api/enums/v1"
	"google.golang.org/protobuf/proto"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
	"mongoferry/internal/seal"
)

// TestPasswordStaysSecret migrates between clusters with SCRAM users of the
// least rights that the documentation names, and looks for their passwords in
// everything that the migration leaves behind.
func TestPasswordStaysSecret(t *testing.T) {
	t.Parallel()
	s := newStackOf(t, devstack.ReplicaSetOptions{Auth: true})
	const password, encoded = "hun/ter:2@wo%rld", "hun%2Fter%3A2%40wo%25rld"
	addDocumentedUser(t, s.source, "ferry", password, "ferrySource")
	addDocumentedUser(t, s.dest, "ferry", password, "ferryDestination")
	addUser(t, s.source, "app", "app", "readWriteAnyDatabase", "dbAdminAnyDatabase")
	worker := s.worker()
	fill(t, s.source, 2000)
	workload := startWorkload(t, s.src.URIFor("app", "app"), 200)
	var printed bytes.Buffer
	run := func(args ...string) int {
		code, out, errs := s.starter(args...)
		printed.WriteString(out + errs)
		return code
	}
	source, destination := s.src.URIFor("ferry", encoded), s.dst.URIFor("ferry", encoded)
	if code := run("start", "--id", "secret", "--source", source, "--destination", destination); code != 0 {
		t.Fatal(printed.String())
	}
	s.awaitPhase("secret", migration.Ready)
	// One whose password is wrong fails, and must not show it either.
	if code := run("start", "--id", "wrong", "--source", source, "--destination", s.dst.URIFor("ferry", encoded+"x")); code != 0 {
		t.Fatal(printed.String())
	}
	s.awaitPhase("wrong", migration.Failed)
	if code := run("cutover", "secret", "--yes"); code != 0 {
		// A cutover may meet an index build of the workload: once more.
		t.Log(printed.String())
		(&ordeal{stack: s, id: "secret", workload: workload}).cutOver()
	}
	workload.end()
	for _, args := range [][]string{{"status", "secret"}, {"status", "wrong", "-o", "json"}, {"list"}, {"history", "secret"}, {"watch", "wrong"},
		{"validate", "--source", source, "--destination", s.dst.URIFor("ferry", "wrong"+encoded)},
		{"start", "--id", "x", "--source", strings.Replace(source, "mongodb://", "mongo://", 1), "--destination", destination},
		{"start", "--id", "y", "--source", source + "&tls=perhaps", "--destination", destination}} {
		run(args...)
	}
	s.identical()
	for _, id := range []string{"secret", "wrong"} {
		printed.Write(s.export(id))
	}
	printed.WriteString(worker.Log(100_000))
	for _, secret := range []string{password, encoded, "hun%2Fter", "ter%3A2", "hun/ter"} {
		if i := bytes.Index(printed.Bytes(), []byte(secret)); i >= 0 {
			t.Errorf("%q is shown: …%s…", secret, printed.Bytes()[max(0, i-200):min(printed.Len(), i+100)])
		}
	}
}

// export gives the history and the description as their bytes: payloads that are
// not sealed are readable in them.
func (s *stack) export(id string) []byte {
	s.t.Helper()
	var all []byte
	add := func(m proto.Message) {
		raw, err := proto.Marshal(m)
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, raw...)
	}
	events := s.client.GetWorkflowHistory(context.Background(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			s.t.Fatal(err)
		}
		add(event)
	}
	description, err := s.client.DescribeWorkflowExecution(context.Background(), id, "")
	if err != nil {
		s.t.Fatal(err)
	}
	add(description)
	if !bytes.Contains(all, []byte("127.0.0.1")) {
		s.t.Error("not even the host is found in the history: is this the right place to look?")
	}
	return all
}

// TestWorkerWithoutTheKey: a worker that cannot read a migration leaves it to one
// that can.
func TestWorkerWithoutTheKey(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	fill(t, s.source, 100)
	right := s.key
	s.key = seal.NewKey()
	wrong := s.worker()
	s.key = right
	s.start(s.spec("k"))
	for end := time.Now().Add(patience); !strings.Contains(wrong.Log(100), "this is sealed with key"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the worker with the wrong key does not say so: %s", wrong.Log(20))
		}
	}
	if err := wrong.Kill(); err != nil {
		t.Fatal(err)
	}
	s.worker()
	s.awaitPhase("k", migration.Ready)
	s.mustUpdate("k", migration.MessageCutover)
	s.awaitPhase("k", migration.Completed)
}

// TestMissingRights names each right that a user lacks, before anything begins.
func TestMissingRights(t *testing.T) {
	t.Parallel()
	s := newStackOf(t, devstack.ReplicaSetOptions{Auth: true})
	s.worker()
	for _, c := range []*mongo.Client{s.source, s.dest} {
		addUser(t, c, "weak", "weak", "readAnyDatabase")
	}
	code, out, errs := s.starter("validate", "--source", s.src.URIFor("weak", "weak"), "--destination", s.dst.URIFor("weak", "weak"))
	if code != 1 {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	for _, want := range []string{
		"the user on the source lacks setUserWriteBlockMode, needed to block writes at cutover; or stop them yourself and give --source-writes stopped",
		"the user on the source lacks appendOplogNote", "the user on the destination lacks insert", "the user on the destination lacks collMod",
		"grant the role backup on admin", "grant the role restore on admin",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("validate does not say %q:\n%s", want, out)
		}
	}
	s.destinationIsEmpty()
}
