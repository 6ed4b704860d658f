package config

import (
	"github.com/spf13/pflag"
	"go.uber.org/zap/zapcore"

	"mongoferry/internal/migration"
)

// Worker is what a worker is told.
type Worker struct {
	TaskQueue string
	LogLevel  zapcore.Level
}

func workerOptions(w *Worker) []option {
	return []option{
		{name: "task-queue", def: migration.DefaultTaskQueue, usage: "`NAME` of the task queue to work on", set: text(&w.TaskQueue)},
		{name: "log-level", def: w.LogLevel.String(), usage: "`LEVEL` of the log: debug, info, warn or error",
			set: func(values []string) error { return w.LogLevel.Set(values[0]) }},
	}
}

// LoadWorker reads the worker's arguments (without the command's name). It gives
// pflag.ErrHelp when they ask for help, which has been printed then.
func LoadWorker(args []string, env Lookup) (Worker, error) {
	w := Worker{TaskQueue: migration.DefaultTaskQueue, LogLevel: zapcore.InfoLevel}
	options := workerOptions(&w)
	fs := pflag.NewFlagSet("worker", pflag.ContinueOnError)
	register(fs, options)
	if err := fs.Parse(args); err != nil {
		return Worker{}, &UsageError{err}
	}
	if fs.NArg() > 0 {
		return Worker{}, usagef("unexpected argument %q", fs.Arg(0))
	}
	if err := load(fs, env, options); err != nil {
		return Worker{}, err
	}
	return w, nil
}
