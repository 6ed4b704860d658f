package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"mongoferry/internal/migration"
)

func (a *App) cancelCommand() *cobra.Command {
	var agreed assent
	cmd := &cobra.Command{
		Use:   "cancel [ID]",
		Short: "Ends a migration and undoes what it did beside copying data",
		Args:  oneID,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, args, func(ctx context.Context, c *connection, id string) error { return c.cancel(ctx, id, agreed) })
		},
	}
	agreed.register(cmd, "return when the cancel is accepted")
	return cmd
}

func (c *connection) cancel(ctx context.Context, id string, agreed assent) error {
	if err := c.refuseEnded(ctx, id, "cancel"); err != nil {
		return err
	}
	question := fmt.Sprintf("Cancel the migration %s: it cannot be taken up again; the destination keeps the collections that were copied.", id)
	if err := c.app.confirm(agreed.yes, question); err != nil {
		return err
	}
	call, done := briefly(ctx)
	defer done()
	if err := c.CancelWorkflow(call, id, ""); err != nil {
		if isNotFound(err) {
			if ended := c.refuseEnded(ctx, id, "cancel"); ended != nil {
				return ended
			}
		}
		return c.explain(fmt.Errorf("cancel %s: %w", id, err))
	}
	if agreed.noWait {
		const result = "cancel requested"
		return c.app.print(answered{id, "cancel", result}, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%s: %s\n", id, result) })
	}
	o, err := c.follow(ctx, id, c.app.newFollower(false), func(o observed) bool { return o.closed })
	if err != nil {
		return err
	}
	if err := c.app.print(o.status, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%s: %s\n", id, endText(o.status)) }); err != nil {
		return err
	}
	if o.status.Phase != migration.Canceled {
		c.app.note("starter: the cancel came too late, the migration has ended as %s", o.status.Phase)
		return errSilent
	}
	return nil
}
