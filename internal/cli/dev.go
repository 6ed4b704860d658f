package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/spf13/cobra"

	"mongoferry/internal/devstack"
	"mongoferry/internal/seal"
	"mongoferry/internal/telemetry"
	"mongoferry/internal/workerapp"
)

// The ports of Temporal's development server, taken when they are free.
const (
	temporalPort = 7233
	uiPort       = 8233
)

// development is what dev prints.
type development struct {
	Address string `json:"address"`
	UI      string `json:"ui"`
	KeyFile string `json:"keyFile,omitempty"`
	DBFile  string `json:"dbFile"`
}

func (a *App) devCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "dev",
		Short: "Runs Temporal (kept in a file) and a worker on this machine, until Ctrl-C",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.dev(cmd.Context()) },
	}
}

func (a *App) dev(ctx context.Context) (err error) {
	dir, err := a.stateDir()
	if err != nil {
		return err
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	d := development{DBFile: filepath.Join(dir, "temporal.db")}
	key, err := a.devKey(&d)
	if err != nil {
		return err
	}
	server, err := devstack.StartTemporal(ctx, devstack.TemporalOptions{
		DBFile: d.DBFile, UI: true, Port: ifFree(temporalPort), UIPort: ifFree(uiPort),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop(), a.cleanUp()) }()
	d.Address, d.UI = server.Address(), server.UIURL()
	if err := a.print(d, func(w io.Writer) { renderDevelopment(w, d) }); err != nil {
		return err
	}
	return a.work(ctx, server, key)
}

// work runs a worker until the context or the server ends.
func (a *App) work(ctx context.Context, server *devstack.TemporalServer, key seal.Key) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-server.Process().Done():
			cancel(errors.New("the Temporal server has ended: " + server.Process().Log(3)))
		case <-ctx.Done():
		}
	}()
	workerapp.LimitMemory()
	err := workerapp.Run(ctx, workerapp.Options{
		HostPort: server.Address(), TaskQueue: a.taskQueue, Key: key, Log: telemetry.NewLogger(a.Err, zapcore.InfoLevel),
	})
	if cause := context.Cause(ctx); err == nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

func renderDevelopment(w io.Writer, d development) {
	rows := [][]string{{"Temporal", d.Address}, {"UI", d.UI}, {"kept in", d.DBFile}}
	if d.KeyFile != "" {
		rows = append(rows, []string{"key", d.KeyFile})
	}
	if d.Address != net.JoinHostPort("127.0.0.1", strconv.Itoa(temporalPort)) {
		rows = append(rows, []string{"for the starter", "export TEMPORAL_ADDRESS=" + d.Address + " " + envUI + "=" + d.UI})
	}
	rows = append(rows, []string{"next", "starter start --source … --destination …   (Ctrl-C here ends worker and Temporal)"})
	table(w, rows)
}

// devKey is the key that is configured, or one made on the first run.
func (a *App) devKey(d *development) (seal.Key, error) {
	key, err := a.key()
	if err != nil || key != nil {
		return key, err
	}
	if d.KeyFile, err = seal.DefaultKeyFileIn(a.getenv); err != nil {
		return nil, err
	}
	return seal.EnsureKeyFile(d.KeyFile)
}

// stateDir is where Temporal's file is kept between runs.
func (a *App) stateDir() (string, error) {
	dir := a.getenv("XDG_STATE_HOME")
	if dir == "" {
		home := a.getenv("HOME")
		if home == "" {
			return "", errors.New("neither XDG_STATE_HOME nor HOME is set: set one, Temporal's file is kept below it")
		}
		dir = filepath.Join(home, ".local", "state")
	}
	dir = filepath.Join(dir, "mongoferry")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the folder for Temporal's file: %w", err)
	}
	return dir, nil
}

// lockDir keeps a second dev away from the same file; the lock ends with the
// process.
func lockDir(dir string) (unlock func() error, err error) {
	f, err := os.OpenFile(filepath.Join(dir, "dev.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close() // nothing was written
		return nil, fmt.Errorf("another starter dev is running with %s: use it, or end it", dir)
	}
	return f.Close, nil
}

// ifFree is the port, or 0 (any) when somebody listens there.
func ifFree(port int) int {
	l, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), 200*time.Millisecond)
	if err != nil {
		return port
	}
	_ = l.Close() // it was only a look
	return 0
}
