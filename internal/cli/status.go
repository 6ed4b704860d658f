package cli

import (
	"context"
	"io"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/spf13/cobra"

	"mongoferry/internal/migration"
)

func (a *App) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status [ID]",
		Short: "Shows where a migration stands",
		Args:  oneID,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, args, func(ctx context.Context, c *connection, id string) error {
				o, err := c.observe(ctx, id)
				if err != nil {
					return err
				}
				return a.printStatus(o.status)
			})
		},
	}
}

func (a *App) printStatus(s migration.Status) error {
	return a.print(s, func(w io.Writer) { renderStatus(w, s, a.Now()) })
}

// with connects and finds the migration that the arguments name.
func (a *App) with(cmd *cobra.Command, args []string, do func(context.Context, *connection, string) error) error {
	c, err := a.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer c.Close()
	id, err := c.migrationID(cmd.Context(), args)
	if err != nil {
		return err
	}
	return do(cmd.Context(), c, id)
}

// listed is a migration in the list.
type listed struct {
	ID          string          `json:"id"`
	Phase       migration.Phase `json:"phase"`
	Paused      bool            `json:"paused"`
	LagSeconds  int64           `json:"lagSeconds"`
	Source      string          `json:"source"`
	Destination string          `json:"destination"`
	StartedAt   string          `json:"startedAt"`
}

func (a *App) listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Lists migrations, the latest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			all, err := c.migrations(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(all, func(w io.Writer) { renderList(w, all) })
		},
	}
}

func (c *connection) migrations(ctx context.Context) ([]listed, error) {
	ctx, cancel := briefly(ctx)
	defer cancel()
	found, err := c.list(ctx, "WorkflowType='"+migration.WorkflowMigrate+"' AND ExecutionStatus!='ContinuedAsNew'")
	if err != nil {
		return nil, err
	}
	all := []listed{}
	for _, w := range found {
		// As of the last phase change or minute: the list asks no workflow.
		s, ok := statusOfMemo(w.GetMemo())
		if !ok {
			s.ID, s.Phase, s.StartedAt = w.GetExecution().GetWorkflowId(), migration.Validating, stamp(w.GetStartTime().AsTime())
		}
		switch w.GetStatus() {
		case enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:
			s.Phase = migration.Canceled
		case enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
			s.Phase = migration.Failed
		default: // running, or ended in the phase that the memo says
		}
		all = append(all, listed{
			ID: s.ID, Phase: s.Phase, Paused: s.Paused, LagSeconds: s.Replication.LagSeconds,
			Source: s.Source.URI, Destination: s.Destination.URI, StartedAt: s.StartedAt,
		})
	}
	return all, nil
}

func renderList(w io.Writer, all []listed) {
	rows := [][]string{{"ID", "PHASE", "LAG", "SOURCE", "DESTINATION", "STARTED"}}
	for _, m := range all {
		lag := ""
		if m.Phase.Syncing() {
			lag = (time.Duration(m.LagSeconds) * time.Second).String()
		}
		rows = append(rows, []string{
			m.ID, phaseText(migration.Status{Phase: m.Phase, Paused: m.Paused}), lag, m.Source, m.Destination, m.StartedAt,
		})
	}
	table(w, rows)
}
