package devstack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

const tempPrefix = "mongoferry-"

// tempRoot is this process's folder for data, made at first use; folders of
// processes that were killed are removed then.
var tempRoot = sync.OnceValues(func() (string, error) {
	sweep(os.TempDir())
	root := filepath.Join(os.TempDir(), tempPrefix+strconv.Itoa(os.Getpid()))
	return root, os.MkdirAll(root, 0o700)
})

// TempDir makes a folder that Shutdown removes, or the next process if this one
// is killed.
func TempDir(name string) (string, error) {
	root, err := tempRoot()
	if err != nil {
		return "", fmt.Errorf("make a temporary folder: %w", err)
	}
	return os.MkdirTemp(root, name+"-")
}

// Shutdown removes what this process has left in temporary folders. Stop the
// servers first; those that are not stopped die with the process.
func Shutdown() error {
	root, err := tempRoot()
	if err != nil {
		return err
	}
	// A process that was just killed may still be writing its last file.
	for range 10 {
		if err = os.RemoveAll(root); err == nil {
			return nil
		}
	}
	return err
}

func sweep(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // nothing to sweep
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(strings.TrimPrefix(e.Name(), tempPrefix))
		if err != nil || !strings.HasPrefix(e.Name(), tempPrefix) {
			continue
		}
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.RemoveAll(filepath.Join(dir, e.Name())) // another process may sweep too
		}
	}
}
