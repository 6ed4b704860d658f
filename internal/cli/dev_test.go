package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// lockedBuffer takes what two goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestDev runs dev, uses it from other commands as a second terminal would, and
// ends it as Ctrl-C does; the next dev still knows the migration.
func TestDev(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	environ := []string{"HOME=" + home}
	s := &stand{t: t}
	for round := range 2 {
		d, stop := startDev(t, environ)
		s.environ = slices.Concat(environ, []string{"TEMPORAL_ADDRESS=" + d.Address})
		if round == 0 {
			s.want(s.run("dev"), exitFailed, "", "another starter dev is running")
			got := s.run("start", "--id", "kept", "--source", "mongodb://u:hunter2@127.0.0.1:1/", "--destination", "mongodb://127.0.0.1:2/", "-o", "json")
			s.want(got, exitDone, `"id": "kept"`, "")
		}
		s.want(s.run("list"), exitDone, "kept", "")
		stop()
	}
	info, err := os.Stat(filepath.Join(home, ".config", "mongoferry", "key"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v", info.Mode())
	}
	if _, err := os.Stat(filepath.Join(home, ".local", "state", "mongoferry", "temporal.db")); err != nil {
		t.Error(err)
	}
}

func startDev(t *testing.T, environ []string) (d development, stop func()) {
	t.Helper()
	reader, writer := io.Pipe()
	var errs lockedBuffer
	a := &App{Args: []string{"dev", "-o", "json"}, In: strings.NewReader(""), Out: writer, Err: &errs, Environ: environ, Now: time.Now}
	ctx, cancel := context.WithCancel(context.Background())
	code := make(chan int, 1)
	go func() {
		code <- a.Run(ctx)
		_ = writer.Close()
	}()
	if err := json.NewDecoder(reader).Decode(&d); err != nil {
		cancel()
		t.Fatalf("dev: exit code %d, %v: %s", <-code, err, errs.String())
	}
	return d, func() {
		cancel()
		if got := <-code; got != exitDone {
			t.Errorf("exit code %d: %s", got, errs.String())
		}
		if strings.Contains(errs.String(), "hunter2") {
			t.Errorf("the log holds the password: %s", errs.String())
		}
	}
}
