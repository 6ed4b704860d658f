// Command worker runs migrations. Any number of workers may share a task queue.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"

	"mongoferry/internal/config"
	"mongoferry/internal/migration"
	"mongoferry/internal/seal"
	"mongoferry/internal/telemetry"
	"mongoferry/internal/workerapp"
)

func main() {
	err := run(os.Args[1:])
	if err == nil || errors.Is(err, pflag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "worker:", migration.Redact(err.Error()))
	if config.IsUsage(err) {
		os.Exit(2)
	}
	os.Exit(1)
}

func run(args []string) error {
	cfg, err := config.LoadWorker(args, os.LookupEnv)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	key, err := seal.LoadKey()
	if err != nil {
		return err
	}
	workerapp.LimitMemory()
	return workerapp.Run(ctx, workerapp.Options{
		TaskQueue: cfg.TaskQueue, Key: key, Log: telemetry.NewLogger(os.Stderr, cfg.LogLevel),
	})
}
