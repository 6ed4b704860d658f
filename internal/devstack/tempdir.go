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

// folder is this process's folder below another one. Folders of processes that were
// killed are removed at its first use.
type folder struct{ parent string }

func (f folder) path() string {
	return filepath.Join(f.parent, tempPrefix+strconv.Itoa(os.Getpid()))
}

func (f folder) make() (string, error) {
	sweep(f.parent)
	return f.path(), os.MkdirAll(f.path(), 0o700)
}

// remove is tried again: a process that was just killed may still be writing its
// last file.
func (f folder) remove() (err error) {
	for range 10 {
		if err = os.RemoveAll(f.path()); err == nil {
			return nil
		}
	}
	return err
}

var (
	tempRoot = sync.OnceValues(func() (string, error) { return folder{os.TempDir()}.make() })
	// dataRoot is where servers have their data.
	dataRoot = sync.OnceValues(func() (string, error) { return folder{dataParent}.make() })
	// dataParent is set by Main, before anything is started.
	dataParent = os.TempDir()
)

// TempDir makes a folder that Shutdown removes, or the next process if this one
// is killed.
func TempDir(name string) (string, error) { return makeIn(tempRoot, name) }

func dataDir(name string) (string, error) { return makeIn(dataRoot, name) }

func makeIn(root func() (string, error), name string) (string, error) {
	path, err := root()
	if err != nil {
		return "", fmt.Errorf("make a temporary folder: %w", err)
	}
	return os.MkdirTemp(path, name+"-")
}

// Shutdown removes what this process has left in temporary folders. Stop the
// servers first; those that are not stopped die with the process.
func Shutdown() error {
	return errors.Join(folder{os.TempDir()}.remove(), folder{dataParent}.remove())
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
