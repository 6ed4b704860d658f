// Package cli holds the starter's commands. It prints and never logs; everything
// it takes from outside is in App, so that tests run real commands in process.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"mongoferry/internal/config"
	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// App is the starter with all that it takes from outside.
type App struct {
	// Args are the arguments behind the command's name.
	Args []string
	In   io.Reader
	Out  io.Writer
	Err  io.Writer
	// Environ is the environment, as os.Environ gives it.
	Environ []string
	Now     func() time.Time
	// Terminal says whether somebody sits before it: then questions are asked,
	// and progress is one line that changes.
	Terminal bool
	// CleanUp, when set, removes what servers that this process has started
	// leave behind.
	CleanUp func() error

	output    string
	taskQueue string
	// began says that a command was understood and has begun; errors before
	// that are wrong use.
	began bool
}

// New is the starter as this process was called.
func New() *App {
	return &App{
		Args: os.Args[1:], In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Environ: os.Environ(), Now: time.Now,
		Terminal: term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())),
		CleanUp:  devstack.Shutdown,
	}
}

// Run runs the command that the arguments name and returns its exit code.
func (a *App) Run(ctx context.Context) int {
	err := a.root().ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errSilent):
		return exitFailed
	}
	a.note("starter: %s", oneLine(err))
	if config.IsUsage(err) || !a.began {
		return exitUsage
	}
	return exitFailed
}

// errSilent ends with exit code 1 when everything has been said.
var errSilent = errors.New("failed")

// oneLine is an error as people get to see it.
func oneLine(err error) string {
	lines := strings.FieldsFunc(migration.Redact(err.Error()), func(r rune) bool { return r == '\n' || r == '\r' })
	return strings.Join(lines, "; ")
}

// note tells the person before the terminal something that is not the result.
func (a *App) note(format string, args ...any) {
	text := migration.Redact(fmt.Sprintf(format, args...))
	_, _ = fmt.Fprintln(a.Err, text) // nobody to tell when this fails
}

func (a *App) lookup(name string) (string, bool) {
	for i := len(a.Environ) - 1; i >= 0; i-- {
		if key, value, _ := strings.Cut(a.Environ[i], "="); key == name {
			return value, true
		}
	}
	return "", false
}

func (a *App) getenv(name string) string {
	value, _ := a.lookup(name)
	return value
}

func (a *App) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "starter",
		Short:         "Moves a live MongoDB deployment into another one",
		SilenceErrors: true, SilenceUsage: true,
		Args: cobra.NoArgs,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if a.output != "text" && a.output != "json" {
				return fmt.Errorf("-o %q: want text or json", a.output)
			}
			a.began = true
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetArgs(a.Args)
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.CompletionOptions.HiddenDefaultCmd = true
	flags := root.PersistentFlags()
	flags.StringVarP(&a.output, "output", "o", "text", "`FORMAT` of the output: text or json")
	queue := migration.DefaultTaskQueue
	if name := a.getenv("MONGOFERRY_TASK_QUEUE"); name != "" {
		queue = name
	}
	flags.StringVar(&a.taskQueue, "task-queue", queue, "`NAME` of the task queue that the workers work on")
	root.AddCommand(a.commands()...)
	return root
}

// cleanUp is CleanUp, if there is any.
func (a *App) cleanUp() error {
	if a.CleanUp == nil {
		return nil
	}
	return a.CleanUp()
}

// commands are all there is. A command exists only when what it does exists.
func (a *App) commands() []*cobra.Command {
	return []*cobra.Command{
		a.demoCommand(), a.devCommand(), a.validateCommand(), a.startCommand(), a.listCommand(), a.statusCommand(),
		a.watchCommand(), a.historyCommand(), a.pauseCommand(), a.resumeCommand(), a.extendCommand(), a.tuneCommand(),
		a.cutoverCommand(), a.cancelCommand(), a.releaseSourceCommand(), a.cleanupCommand(),
	}
}

// usagef is an error with exit code 2.
func usagef(format string, args ...any) error {
	return &config.UsageError{Err: fmt.Errorf(format, args...)}
}
