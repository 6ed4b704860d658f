// Package bench measures what a migration costs, against what the same servers can do
// at best: on the same data in the same run, as ratios, so that the figures mean
// something on another machine.
//
// Everything is real: replica sets, Temporal, worker processes. Data is generated
// before anything is measured; every measurement begins with the destination's
// databases dropped and a checkpoint written, and which of the two sides of a ratio
// comes first changes from repetition to repetition. Ratios are taken within a
// repetition; what is given is the median over all, and half of the distance between
// the smallest and the largest as the spread.
package bench

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"

	"mongoferry/internal/devstack"
)

// Options say what to measure: of the part, what Only matches the beginning of the names
// of, nil for all. Scale makes the data, and what takes a set time,
// smaller for development. Log is told what goes on.
type Options struct {
	Part        string
	Only        *regexp.Regexp
	Scale       float64
	Least, Most int
	Precision   float64
	Log         io.Writer
}

// suite is one run.
type suite struct {
	repetition
	scale   float64
	only    *regexp.Regexp
	on      string
	results []Result
	// shared are servers for all that is measured, where that is little; nil: each has
	// its own.
	shared *rig
}

// Parts are what Part may name, in the order in which all of them run.
func Parts() []string { return []string{"copy", "replay", "workers", "quick"} }

// Run measures a part, or with "" every part but quick. What was wholly measured before
// an error is given too.
func Run(ctx context.Context, o Options) ([]Result, error) {
	parts := map[string]func(context.Context) error{}
	s := &suite{repetition: repetition{Least: o.Least, Most: o.Most, Precision: o.Precision, log: o.Log}, scale: o.Scale, only: o.Only}
	parts["copy"], parts["replay"], parts["workers"], parts["quick"] = s.copyPart, s.replayPart, s.workersPart, s.quickPart
	wanted := []string{o.Part}
	if o.Part == "" {
		wanted = slices.DeleteFunc(Parts(), func(p string) bool { return p == "quick" })
	}
	for _, name := range wanted {
		if parts[name] == nil {
			return nil, fmt.Errorf("no part is called %q: there are %s", name, strings.Join(Parts(), ", "))
		}
	}
	var err error
	if s.on, err = machine(ctx); err != nil {
		return nil, err
	}
	for _, name := range wanted {
		if err := parts[name](ctx); err != nil {
			return s.results, err
		}
	}
	return s.results, nil
}

// scaled is a count as it is in this run, and never too small to be divided.
func (s *suite) scaled(n int64) int64 { return max(int64(float64(n)*s.scale), 200) }

// with measures with servers of its own, or the shared ones made empty. What was broken
// off gives no results: they would take the place of better ones.
func (s *suite) with(ctx context.Context, prefix string, o devstack.ReplicaSetOptions, do func(*rig, *figures) error) error {
	if s.only != nil && !s.only.MatchString(prefix) {
		return nil
	}
	f := newFigures(prefix)
	err := s.lend(ctx, o, func(r *rig) error { return do(r, f) })
	if err == nil {
		s.results = append(s.results, f.results(s.on)...)
	}
	debug.FreeOSMemory() // the data held for this must not squeeze the next servers
	return err
}

func (s *suite) lend(ctx context.Context, o devstack.ReplicaSetOptions, do func(*rig) error) error {
	if s.shared == nil {
		return withRig(ctx, o, do)
	}
	if err := reset(ctx, s.shared.source, database); err != nil {
		return err
	}
	return do(s.shared)
}
