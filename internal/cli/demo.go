package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/spf13/cobra"

	"mongoferry/internal/demo"
	"mongoferry/internal/migration"
	"mongoferry/internal/telemetry"
	"mongoferry/internal/workerapp"
	"mongoferry/workflows"
)

const demoID = "demo"

// demonstration is the demo under way.
type demonstration struct {
	*connection
	servers     *demoServers
	application *demo.Application
	flags       demoFlags
	progress    *follower
	// took is from the start of the migration to its completion.
	took   time.Duration
	maxLag int64
}

type demoFlags struct {
	documents, writeRate int
	keep                 bool
}

func (a *App) demoCommand() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Shows a migration on this machine: Temporal, two replica sets, live writes",
		Long: "Starts Temporal with its UI, two replica sets and a worker on this machine, fills the source, migrates it while " +
			"clients keep writing and changing the catalog, cuts over, and compares both sides.\n\nIt leaves nothing behind. " +
			"Exit code 1 when the sides differ.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.documents < 0 || f.writeRate < 1 {
				return usagef("--documents %d, --write-rate %d: want at least 0 and 1", f.documents, f.writeRate)
			}
			return a.demo(cmd.Context(), f)
		},
	}
	cmd.Flags().IntVar(&f.documents, "documents", 200_000, "`NUMBER` of documents of about 650 bytes in the largest collection")
	cmd.Flags().IntVar(&f.writeRate, "write-rate", 500, "`WRITES` a second during the migration")
	cmd.Flags().BoolVar(&f.keep, "keep", false, "leave everything running when done, until Ctrl-C")
	return cmd
}

func (a *App) demo(ctx context.Context, f demoFlags) (err error) {
	defer func() { err = errors.Join(err, a.cleanUp()) }()
	a.say("starting Temporal, a source and a destination replica set")
	servers, err := startDemoServers(ctx)
	if err != nil {
		return interrupted(ctx, err)
	}
	defer func() { err = errors.Join(err, servers.stop()) }()
	application, err := demo.Open(servers.source.URI(), servers.destination.URI())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, application.Close(context.WithoutCancel(ctx))) }()
	a.Environ = append(a.Environ, servers.environ()...)
	c, err := a.connect(ctx)
	if err != nil {
		return interrupted(ctx, err)
	}
	defer c.Close()
	working, stopWorker := a.demoWorker(ctx, servers)
	defer stopWorker()
	d := &demonstration{connection: c, servers: servers, application: application, flags: f, progress: a.newFollower(a.output != "json")}
	return interrupted(working, d.run(working))
}

// interrupted says so instead of what the interruption brought about.
func interrupted(ctx context.Context, err error) error {
	switch {
	case err == nil || ctx.Err() == nil:
		return err
	case errors.Is(context.Cause(ctx), errWorkerEnded):
		return context.Cause(ctx)
	default:
		return errors.New("interrupted; everything is being removed")
	}
}

// errWorkerEnded is why the demo ends when its worker has.
var errWorkerEnded = errors.New("the worker has ended")

// demoWorker runs a worker in this process until the returned function ends it.
// The context it gives ends when the worker does.
func (a *App) demoWorker(ctx context.Context, servers *demoServers) (working context.Context, stop func()) {
	working, fail := context.WithCancelCause(ctx)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := workerapp.Run(ctx, workerapp.Options{
			HostPort: servers.temporal.Address(), TaskQueue: a.taskQueue, Key: servers.key,
			Log: telemetry.NewLogger(untilDone{ctx, a.Err}, zapcore.ErrorLevel),
		})
		if err != nil {
			fail(fmt.Errorf("%w: %w", errWorkerEnded, err))
		}
	}()
	return working, func() {
		cancel()
		<-done
		fail(nil)
	}
}

// untilDone writes until a context ends: what a worker says when it is torn out of
// its work is no news.
type untilDone struct {
	ctx context.Context
	out io.Writer
}

func (w untilDone) Write(line []byte) (int, error) {
	if w.ctx.Err() != nil {
		return len(line), nil
	}
	return w.out.Write(line)
}

func (d *demonstration) run(ctx context.Context) error {
	d.app.say("filling the source with %d documents and more of every kind", d.flags.documents)
	if err := d.application.Fill(ctx, d.flags.documents); err != nil {
		return err
	}
	d.application.Start(ctx, d.flags.writeRate)
	began := time.Now()
	if err := d.begin(ctx); err != nil {
		return err
	}
	final, err := d.migrate(ctx)
	if err != nil {
		return err
	}
	d.took = time.Since(began)
	writing, err := d.application.Stop(ctx)
	if err != nil {
		return fmt.Errorf("write to the source: %w", err)
	}
	d.app.say("comparing both sides")
	differences, err := d.application.Judge(ctx)
	if err != nil {
		return err
	}
	if err := d.report(final, writing, differences); err != nil {
		return err
	}
	if d.flags.keep {
		d.keep(ctx)
	}
	if len(differences) > 0 {
		return errSilent
	}
	return nil
}

// begin starts the migration and says where to watch it.
func (d *demonstration) begin(ctx context.Context) error {
	spec := migration.Spec{
		ID:     demoID,
		Source: migration.Endpoint{URI: d.servers.source.URI()}, Destination: migration.Endpoint{URI: d.servers.destination.URI()},
		Exclude: []string{demo.CanaryDB},
	}.WithDefaults()
	_, err := d.ExecuteWorkflow(ctx, d.startOptions(spec), migration.WorkflowMigrate, workflows.Input{Spec: spec})
	if err != nil {
		return d.explain(fmt.Errorf("start the migration: %w", err))
	}
	d.app.say("the migration in the Temporal UI: %s", d.link(ctx, demoID))
	return nil
}
