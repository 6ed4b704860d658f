package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"mongoferry/internal/migration"
)

func (a *App) cutoverCommand() *cobra.Command {
	var agreed assent
	cmd := &cobra.Command{
		Use:   "cutover [ID]",
		Short: "Stops writes to the source, applies the last changes, opens the destination",
		Long: "Stops writes to the source, applies the last changes, compares, and opens the destination for writes.\n\n" +
			"It waits until the migration has completed, or the cutover was backed out, which is exit code 1.",
		Args: oneID,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, args, func(ctx context.Context, c *connection, id string) error { return c.cutOver(ctx, id, agreed) })
		},
	}
	agreed.register(cmd, "return when the cutover has begun")
	return cmd
}

func (c *connection) cutOver(ctx context.Context, id string, agreed assent) error {
	o, err := c.observe(ctx, id)
	if err != nil {
		return err
	}
	if o.fresh && !o.status.Cutover.Allowed {
		return fmt.Errorf("cutover refused: %s", strings.Join(o.status.Cutover.Reasons, "; "))
	}
	question := fmt.Sprintf("Cut over the migration %s from %s to %s: writes to the source end now.", id, o.status.Source.URI, o.status.Destination.URI)
	if err := c.app.confirm(agreed.yes, question); err != nil {
		return err
	}
	result, err := c.send(ctx, id, migration.MessageCutover, migration.Tuning{}, true)
	if err != nil {
		return err
	}
	if agreed.noWait {
		return c.app.print(answered{id, migration.MessageCutover, result}, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%s: %s\n", id, result) })
	}
	f := c.app.newFollower(false)
	// Notices of before the cutover are no news.
	for _, n := range o.status.Notices {
		f.notices[migration.Notice{Message: n.Message}] = true
	}
	o, err = c.follow(ctx, id, f, func(o observed) bool { return o.fresh && !underCutover(o.status.Phase) })
	if err != nil {
		return err
	}
	if err := c.app.print(o.status, func(w io.Writer) { renderCutover(w, o.status) }); err != nil {
		return err
	}
	if o.status.Phase != migration.Completed {
		return errSilent
	}
	return nil
}

func underCutover(p migration.Phase) bool {
	return p == migration.CuttingOver || p == migration.Finalizing || p == migration.CleaningUp
}

func renderCutover(w io.Writer, s migration.Status) {
	lines := []string{fmt.Sprintf("%s: %s", s.ID, endText(s))}
	switch {
	case s.Phase == migration.Completed:
		lines = append(lines, "the destination accepts writes since "+s.Cutover.WritesAcceptedAt)
		if s.Source.WritesBlocked {
			lines = append(lines, "the source stays closed for writes until: starter release-source "+s.ID)
		}
		for _, x := range s.Cutover.UnsuccessfulIndexes {
			lines = append(lines, fmt.Sprintf("index %s of %s is %s: %s", x.IndexName, x.Namespace, x.Type, x.Reason))
		}
		if more := s.Cutover.UnsuccessfulIndexesOmitted; more > 0 {
			lines = append(lines, fmt.Sprintf("and %d more indexes: the worker's log names them", more))
		}
	case !s.Phase.Ended():
		lines[0] = fmt.Sprintf("%s: not cut over, the phase is %s", s.ID, s.Phase)
		if n := len(s.Notices); n > 0 {
			lines = append(lines, s.Notices[n-1].Message)
		}
	}
	_, _ = fmt.Fprintln(w, strings.Join(lines, "\n")) // memory
}
