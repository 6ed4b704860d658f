package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mongoferry/internal/devstack"
)

// starterBinary is the real command: what the demo leaves behind can only be
// seen after its process has ended.
var starterBinary = sync.OnceValues(func() (string, error) { return devstack.Build("starter") })

func demoCommand(t *testing.T, args ...string) (cmd *exec.Cmd, out, errs *lockedBuffer) {
	t.Helper()
	path, err := starterBinary()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(path, append([]string{"demo", "--documents", "2000"}, args...)...)
	out, errs = &lockedBuffer{}, &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = out, errs
	return cmd, out, errs
}

// TestDemo runs the whole demo, small.
func TestDemo(t *testing.T) {
	t.Parallel()
	cmd, out, errs := demoCommand(t, "-o", "json")
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var keys map[string]any
	var result demoResult
	last := []byte(lines[len(lines)-1])
	if err := json.Unmarshal(last, &result); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(last, &keys); err != nil {
		t.Fatal(err)
	}
	if len(keys) != 7 || !result.Identical || result.Documents < 2000 || result.Events == 0 || result.RefusedWritesMilliseconds == 0 {
		t.Errorf("the last line is %s", last)
	}
	for _, text := range []string{"/namespaces/default/workflows/demo", "extend: "} {
		if !strings.Contains(errs.String(), text) {
			t.Errorf("%q is not in what it told: %s", text, errs.String())
		}
	}
	leftNothing(t, cmd.Process.Pid)
}

// TestDemoInterrupted presses Ctrl-C at several moments.
func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"starting Temporal", "filling", "workflows/demo", "cutting over"} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			cmd, out, errs := demoCommand(t)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			for !strings.Contains(out.String(), moment) {
				select {
				case err := <-ended:
					t.Fatalf("ended before %q: %v: %s", moment, err, errs.String())
				case <-time.After(5 * time.Millisecond):
				}
			}
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err == nil {
				t.Error("the interrupted demo ended well")
			}
			if code := cmd.ProcessState.ExitCode(); code != exitFailed {
				t.Errorf("exit code %d", code)
			}
			if got := strings.TrimSpace(errs.String()); !strings.HasSuffix(got, "interrupted; everything is being removed") {
				t.Errorf("it said %q", got)
			}
			leftNothing(t, cmd.Process.Pid)
		})
	}
}

// TestDemoKept stays when it is done, until Ctrl-C.
func TestDemoKept(t *testing.T) {
	t.Parallel()
	cmd, out, errs := demoCommand(t, "--keep")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for !strings.Contains(out.String(), "kept running") {
		select {
		case err := <-ended:
			t.Fatalf("ended: %v: %s", err, errs.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("%v: %s", err, errs.String())
	}
	leftNothing(t, cmd.Process.Pid)
}

// leftNothing looks for folders and processes of a starter that has ended.
func leftNothing(t *testing.T, pid int) {
	t.Helper()
	root := filepath.Join(os.TempDir(), "mongoferry-"+strconv.Itoa(pid))
	if _, err := os.Stat(root); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", root, err)
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range processes {
		line, err := os.ReadFile(path)
		if err == nil && bytes.Contains(line, []byte(root+"/")) {
			t.Errorf("%s is left: %s", path, line)
		}
	}
}
