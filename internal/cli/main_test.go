package cli

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
	"mongoferry/internal/seal"
)

// sharedServer is one for all tests that do not need their own.
var sharedServer = sync.OnceValues(func() (*devstack.TemporalServer, error) {
	return devstack.StartTemporal(context.Background(), devstack.TemporalOptions{})
})

func TestMain(m *testing.M) { os.Exit(devstack.Main(m)) }

// stand is a Temporal, a task queue, and the environment for commands that use
// them.
type stand struct {
	t       *testing.T
	address string
	queue   string
	key     seal.Key
	environ []string
	client  client.Client
}

func newStand(t *testing.T) *stand {
	t.Helper()
	server, err := sharedServer()
	if err != nil {
		t.Fatal(err)
	}
	return standAt(t, server.Address())
}

func standAt(t *testing.T, address string) *stand {
	t.Helper()
	s := &stand{t: t, address: address, queue: name(t), key: seal.NewKey()}
	dir := t.TempDir()
	s.environ = []string{"TEMPORAL_ADDRESS=" + address, "HOME=" + dir, "MONGOFERRY_TASK_QUEUE=" + s.queue, "MONGOFERRY_KEY_FILE=" + keyFile(t, dir, s.key)}
	var err error
	s.client, err = client.Dial(client.Options{HostPort: address, Logger: quiet(), DataConverter: seal.DataConverter(s.key)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.Close)
	return s
}

func quiet() sdklog.Logger { return sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)) }

// name makes an id of the test's name.
func name(t *testing.T) string { return strings.ReplaceAll(t.Name(), "/", "-") }

// work runs a worker with the fake workflows until the test ends or stop is
// called.
func (s *stand) work() (stop func()) {
	w := worker.New(s.client, s.queue, worker.Options{
		MaxHeartbeatThrottleInterval: 100 * time.Millisecond, DefaultHeartbeatThrottleInterval: 100 * time.Millisecond,
	})
	registerFakes(w)
	if err := w.Start(); err != nil {
		s.t.Fatal(err)
	}
	stop = sync.OnceFunc(w.Stop)
	s.t.Cleanup(stop)
	return stop
}

// result is what a command left behind.
type result struct {
	code     int
	out, err string
	took     time.Duration
}

// run runs a command without a terminal.
func (s *stand) run(args ...string) result { return s.app("", false, args...) }

// answer runs a command on a terminal where somebody types.
func (s *stand) answer(typed string, args ...string) result { return s.app(typed, true, args...) }

func (s *stand) app(typed string, terminal bool, args ...string) result {
	var out, errs bytes.Buffer
	a := &App{
		Args: args, In: strings.NewReader(typed), Out: &out, Err: &errs,
		Environ: s.environ, Now: time.Now, Terminal: terminal,
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	begin := time.Now()
	code := a.Run(ctx)
	return result{code, out.String(), errs.String(), time.Since(begin)}
}

// start begins a fake migration whose id tells how it goes on.
func (s *stand) start(id string) string {
	s.t.Helper()
	got := s.run("start", "--id", id, "--source", "mongodb://u:hunter2@source:1/", "--destination", "mongodb://destination:2/")
	if got.code != exitDone {
		s.t.Fatalf("start: %+v", got)
	}
	return id
}

// await waits until a migration's status is as wanted.
func (s *stand) await(id string, what string, wanted func(migration.Status) bool) migration.Status {
	s.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		doc, got := s.status(id)
		if got.code == exitDone && wanted(doc) {
			return doc
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s is not %s: %+v", id, what, got)
		}
	}
}

func (s *stand) awaitPhase(id string, phase migration.Phase) migration.Status {
	s.t.Helper()
	return s.await(id, "in "+string(phase), func(m migration.Status) bool { return m.Phase == phase })
}

// want checks exit code and texts.
func (s *stand) want(got result, code int, out, errs string) {
	s.t.Helper()
	if got.code != code || !strings.Contains(got.out, out) || !strings.Contains(got.err, errs) {
		s.t.Errorf("exit code %d, want %d\nout: %s\nwant %q\nerr: %s\nwant %q", got.code, code, got.out, out, got.err, errs)
	}
	if strings.Contains(got.out+got.err, "hunter2") {
		s.t.Errorf("the password is shown: %s%s", got.out, got.err)
	}
}
