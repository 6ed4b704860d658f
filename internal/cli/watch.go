package cli

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/spf13/cobra"

	"mongoferry/internal/migration"
)

// watchEvery is how often a migration is looked at.
const watchEvery = 500 * time.Millisecond

func (a *App) watchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "watch [ID]",
		Short: "Follows a migration until it ends; exit code 0 when it has completed",
		Args:  oneID,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, args, func(ctx context.Context, c *connection, id string) error {
				o, err := c.follow(ctx, id, a.newFollower(true), func(o observed) bool { return o.closed })
				if err != nil {
					return err
				}
				if o.status.Phase != migration.Completed {
					return fmt.Errorf("the migration %s has not completed: %s", id, endText(o.status))
				}
				return nil
			})
		},
	}
}

func endText(s migration.Status) string {
	if s.Error != "" {
		return fmt.Sprintf("%s: %s", s.Phase, s.Error)
	}
	return string(s.Phase)
}

// follower shows how a migration goes on: a live line on a terminal, otherwise
// a line per change, or with -o json a document per line.
type follower struct {
	app     *App
	live    *liveLine
	last    string
	lastDoc migration.Status
	notices map[migration.Notice]bool
	// json says whether documents go to the output: not for commands whose
	// output is one document at the end.
	json bool
}

func (a *App) newFollower(documents bool) *follower {
	f := &follower{app: a, notices: map[migration.Notice]bool{}, json: documents}
	if a.Terminal && a.output != "json" {
		f.live = &liveLine{out: a.Err}
	}
	return f
}

func (f *follower) show(s migration.Status) error {
	if f.app.output == "json" {
		if !f.json || reflect.DeepEqual(withoutTimes(s), f.lastDoc) {
			return nil
		}
		f.lastDoc = withoutTimes(s)
		return f.app.printLine(s)
	}
	if err := f.showNotices(s); err != nil {
		return err
	}
	line := renderLine(s)
	if f.live != nil {
		f.live.show(line)
		return nil
	}
	if line == f.last {
		return nil
	}
	f.last = line
	return f.line(line)
}

// withoutTimes is what makes two documents different.
func withoutTimes(s migration.Status) migration.Status {
	s.UpdatedAt = ""
	notices := make([]migration.Notice, len(s.Notices))
	for i, n := range s.Notices {
		notices[i].Message = n.Message
	}
	s.Notices = notices
	return s
}

func (f *follower) showNotices(s migration.Status) error {
	for _, n := range s.Notices {
		key := migration.Notice{Message: n.Message}
		if f.notices[key] {
			continue
		}
		f.notices[key] = true
		f.end()
		if err := f.line(fmt.Sprintf("%s  notice: %s", s.ID, n.Message)); err != nil {
			return err
		}
	}
	return nil
}

// line writes progress where it belongs: to the output when progress is what
// was asked for, else beside it.
func (f *follower) line(text string) error {
	if !f.json {
		f.app.note("%s", text)
		return nil
	}
	_, err := fmt.Fprintln(f.app.Out, text)
	return written(err)
}

func (f *follower) end() {
	if f.live != nil {
		f.live.end()
	}
}

// follow looks at a migration again and again until it is as wanted or has
// ended. A Temporal that does not answer in between is waited for.
func (c *connection) follow(ctx context.Context, id string, f *follower, until func(observed) bool) (observed, error) {
	defer f.end()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	silent := false
	for {
		o, err := c.observe(ctx, id)
		switch {
		case ctx.Err() != nil:
			return o, fmt.Errorf("interrupted; the migration %s goes on", id)
		case errors.Is(err, errUnknownID):
			return o, err
		case err != nil:
			if !silent {
				f.end()
				c.app.note("%s; waiting for it", oneLine(err))
			}
			silent = true
		default:
			silent = false
			if err := f.show(o.status); err != nil {
				return o, err
			}
			if o.closed || until(o) {
				return o, nil
			}
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}
