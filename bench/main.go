// Command bench measures mongoferry with real servers and data that it generates, and
// prints the figures as a table: `make bench`, or `make bench BENCH=quick`.
//
// BENCH names a part: copy (each set against its ceiling, thousands of small
// collections, the time to the first document, what Temporal costs), replay (catching
// up with histories against a plain applier, and the lag under steady writes), workers
// (1, 2 and 4 of them against servers far away), or quick (a little of the first two,
// in under three minutes). Without a name all but quick is run, in under 45 minutes.
//
// The results of a run replace those of the same names in bench/results/latest.json, a
// list of {name, value, unit, spread}: value is the median of the repetitions, spread
// half of the distance between the smallest and the largest. With a scale other than 1,
// for development, nothing is written unless -out says where.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"

	"mongoferry/internal/bench"
	"mongoferry/internal/devstack"
)

func main() {
	err := run(os.Args[1:])
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// A second signal ends the program at once; its servers end with it.
	context.AfterFunc(ctx, stop)
	if bench.IsJob() {
		return bench.DoJob(ctx, os.Stdout)
	}
	var o bench.Options
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.StringVar(&o.Part, "part", "", "`NAME` of the part to measure: copy, replay, workers or quick; without one, all but quick")
	fs.Float64Var(&o.Scale, "scale", 1, "makes the data smaller, for development")
	fs.IntVar(&o.Least, "least", 3, "fewest repetitions")
	fs.IntVar(&o.Most, "most", 5, "most repetitions")
	fs.Float64Var(&o.Precision, "precision", 0.03, "spread by median at which it is not repeated more often")
	only := fs.String("only", "", "`REGEXP` that the beginning of the names is to match, such as ^copy.1KB or ^replay.(mixed|lag)")
	out := fs.String("out", "", "`FILE` of results (with scale 1 bench/results/latest.json)")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *only != "" {
		var err error
		if o.Only, err = regexp.Compile(*only); err != nil {
			return fmt.Errorf("-only: %w", err)
		}
	}
	if *out == "" && o.Scale == 1 {
		*out = "bench/results/latest.json"
	}
	o.Log = os.Stderr
	results, err := bench.Run(ctx, o)
	errs := []error{err, devstack.Shutdown()}
	if len(results) > 0 {
		errs = append(errs, bench.Table(os.Stdout, results))
	}
	if len(results) > 0 && *out != "" {
		errs = append(errs, bench.Save(*out, results))
	}
	return errors.Join(errs...)
}
