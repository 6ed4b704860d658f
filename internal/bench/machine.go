package bench

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"mongoferry/internal/devstack"
)

// machine names what the figures were measured on: cores, processor, memory, system
// and the versions of everything that takes part.
func machine(ctx context.Context) (string, error) {
	mongod, err := devstack.Mongod(ctx)
	if err != nil {
		return "", err
	}
	temporal, err := devstack.Temporal(ctx)
	if err != nil {
		return "", err
	}
	serverVersion, err := firstLine(ctx, mongod.Path, mongod.Env)
	if err != nil {
		return "", err
	}
	temporalVersion, err := firstLine(ctx, temporal, nil)
	if err != nil {
		return "", err
	}
	return strings.Join([]string{
		fmt.Sprintf("%d cores %s", runtime.NumCPU(), procField("/proc/cpuinfo", "model name")),
		"memory " + procField("/proc/meminfo", "MemTotal"),
		runtime.GOOS + " " + procLine("/proc/sys/kernel/osrelease"),
		runtime.Version(), serverVersion, temporalVersion,
	}, "; "), nil
}

// firstLine is what a program says to --version.
func firstLine(ctx context.Context, path string, env []string) (string, error) {
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", path, err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line), nil
}

// procField gives the value of the first line with that name, or that it is unknown:
// figures are worth having on systems without it too.
func procField(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer func() { _ = f.Close() }() // it was only read
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func procLine(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(content))
}
