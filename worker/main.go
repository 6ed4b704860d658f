// Command worker runs migrations. Any number of workers may share a task queue.
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"go.uber.org/zap/zapcore"

	"mongoferry/internal/migration"
	"mongoferry/internal/seal"
	"mongoferry/internal/telemetry"
	"mongoferry/internal/workerapp"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", migration.Redact(err.Error()))
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	key, err := seal.LoadKey()
	if err != nil {
		return err
	}
	return workerapp.Run(ctx, workerapp.Options{
		TaskQueue: cmp.Or(os.Getenv("MONGOFERRY_TASK_QUEUE"), migration.DefaultTaskQueue),
		Key:       key,
		Log:       telemetry.NewLogger(os.Stderr, zapcore.InfoLevel),
	})
}
