package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"mongoferry/internal/migration"
)

// tuned is what a tune brought about: the pace that now holds, nil when it was not
// waited for.
type tuned struct {
	answered
	Pace *migration.Pace `json:"pace,omitempty"`
}

func (a *App) tuneCommand() *cobra.Command {
	var agreed assent
	var wish migration.Tuning
	cmd := &cobra.Command{
		Use:   "tune [ID]",
		Short: "Changes how much of both clusters a running migration may take",
		Long: "Changes how much of both clusters a running migration may take. What is not given stays as it is.\n\n" +
			"It holds within a second or two, also while paused, and until it is changed again.",
		Args: oneID,
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := wish.Of(migration.Pace{}); err != nil {
				if wish == (migration.Tuning{}) {
					return usagef("nothing to change: give --load low|normal|high, --max-rate RATE, or both")
				}
				return usagef("%w", err)
			}
			return a.with(cmd, args, func(ctx context.Context, c *connection, id string) error { return c.tune(ctx, id, wish, agreed) })
		},
	}
	cmd.Flags().StringVar(&wish.Load, "load", "", "how much of both clusters it may take, `LEVEL`: low, normal or high")
	cmd.Flags().StringVar(&wish.MaxRate, "max-rate", "", "copy and apply at most this `RATE`, over all workers: 5000docs/s, 20MB/s or off")
	agreed.register(cmd, "return when the message is accepted, before it has taken effect")
	cmd.Flags().Lookup("yes").Usage = "accepted as everywhere; this command asks nothing"
	return cmd
}

func (c *connection) tune(ctx context.Context, id string, wish migration.Tuning, agreed assent) error {
	result, err := c.send(ctx, id, migration.MessageTune, wish, !agreed.noWait)
	if err != nil {
		return err
	}
	out := tuned{answered: answered{id, migration.MessageTune, result}}
	if !agreed.noWait {
		o, err := c.observe(ctx, id)
		if err != nil {
			return err
		}
		out.Pace = &o.status.Pace
		out.Result = o.status.Pace.String()
	}
	return c.app.print(out, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%s: %s\n", id, out.Result) })
}

// signalHint is how a message is sent without a worker being there.
func signalHint(id, name string, wish migration.Tuning) string {
	hint := fmt.Sprintf("temporal workflow signal --workflow-id %s --name %s", id, name)
	if wish == (migration.Tuning{}) {
		return hint
	}
	input, _ := json.Marshal(wish) // two strings
	return hint + " --input '" + string(input) + "'"
}
