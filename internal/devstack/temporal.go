package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"log/slog"
)

// TemporalOptions say what to start. Ports that are 0 are free ones; DBFile
// empty means in a temporary folder.
type TemporalOptions struct {
	DBFile       string
	UI           bool
	Port, UIPort int
}

// TemporalServer is Temporal's development server.
type TemporalServer struct {
	opts    TemporalOptions
	path    string
	dir     string
	process *Process
}

// StartTemporal starts the server and waits until it answers.
func StartTemporal(ctx context.Context, o TemporalOptions) (*TemporalServer, error) {
	t := &TemporalServer{opts: o}
	var err error
	if t.path, err = Temporal(ctx); err != nil {
		return nil, err
	}
	if t.dir, err = dataDir("temporal"); err != nil {
		return nil, err
	}
	if t.opts.DBFile == "" {
		t.opts.DBFile = filepath.Join(t.dir, "temporal.db")
	}
	for _, port := range []*int{&t.opts.Port, &t.opts.UIPort} {
		if *port == 0 {
			if *port, err = FreePort(); err != nil {
				return nil, err
			}
		}
	}
	if err := t.Restart(ctx); err != nil {
		if t.process != nil {
			err = errors.Join(err, t.process.Kill())
		}
		return nil, err
	}
	return t, nil
}

// Restart starts the server, also after Kill: same ports, same file.
func (t *TemporalServer) Restart(ctx context.Context) error {
	args := []string{
		"server", "start-dev", "--ip", "127.0.0.1", "--port", strconv.Itoa(t.opts.Port),
		"--db-filename", t.opts.DBFile, "--log-level", "error",
	}
	if t.opts.UI {
		args = append(args, "--ui-port", strconv.Itoa(t.opts.UIPort))
	} else {
		args = append(args, "--headless")
	}
	var err error
	t.process, err = StartProcess(ProcessOptions{Path: t.path, Args: args, LogFile: filepath.Join(t.dir, "temporal.log")})
	if err != nil {
		return fmt.Errorf("start Temporal: %w", err)
	}
	return t.awaitReady(ctx)
}

func (t *TemporalServer) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	c, err := client.NewLazyClient(client.Options{HostPort: t.Address(), Logger: quiet()})
	if err != nil {
		return err
	}
	defer c.Close()
	return t.process.await(ctx, "wait for Temporal", func() error {
		_, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: "default"})
		return err
	})
}

func quiet() sdklog.Logger { return sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)) }

// Address is host:port of the frontend.
func (t *TemporalServer) Address() string { return "127.0.0.1:" + strconv.Itoa(t.opts.Port) }

// UIURL is where the Temporal UI is, "" without one.
func (t *TemporalServer) UIURL() string {
	if !t.opts.UI {
		return ""
	}
	return "http://127.0.0.1:" + strconv.Itoa(t.opts.UIPort)
}

// Process is the server's process, for Pause and Continue.
func (t *TemporalServer) Process() *Process { return t.process }

// Kill ends the server with SIGKILL.
func (t *TemporalServer) Kill() error { return t.process.Kill() }

// Stop ends the server; a DBFile of the caller's stays.
func (t *TemporalServer) Stop() error {
	return errors.Join(t.process.Stop(), os.RemoveAll(t.dir))
}
