// Command starter begins, watches and steers migrations.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"mongoferry/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(cli.New().Run(ctx))
}
