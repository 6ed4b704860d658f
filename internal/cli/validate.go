package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/spf13/cobra"

	"mongoferry/internal/config"
	"mongoferry/internal/migration"
)

func (a *App) validateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate --source STRING --destination STRING",
		Short: "Runs the checks alone, on a worker; exit code 1 when one blocks",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			spec, err := a.spec(cmd, "check-")
			if err != nil {
				return err
			}
			c, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			return c.validate(cmd.Context(), spec)
		},
	}
	config.SpecFlags(cmd.Flags())
	return cmd
}

func (c *connection) validate(ctx context.Context, spec migration.Spec) error {
	var v migration.Validation
	err := c.runSmall(ctx, client.StartWorkflowOptions{
		ID:                       spec.ID + validateSuffix,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING,
	}, "check both clusters", migration.WorkflowValidate, spec, &v)
	if err != nil {
		return err
	}
	if err := c.app.print(v, func(w io.Writer) { renderValidation(w, v) }); err != nil {
		return err
	}
	if migration.HasBlocking(v.Findings) {
		return errSilent
	}
	return nil
}

func renderValidation(w io.Writer, v migration.Validation) {
	severities := []migration.Severity{migration.Blocking, migration.Warning, migration.Passed}
	findings := slices.Clone(v.Findings)
	slices.SortStableFunc(findings, func(a, b migration.Finding) int {
		return cmp.Compare(slices.Index(severities, a.Severity), slices.Index(severities, b.Severity))
	})
	rows := [][]string{{"RESULT", "CHECK", "NAMESPACE", "WHAT"}}
	blocking := 0
	for _, f := range findings {
		rows = append(rows, []string{string(f.Severity), f.Check, f.Namespace, f.Message})
		if f.Fix != "" {
			rows = append(rows, []string{"", "", "", "fix: " + f.Fix})
		}
		if f.Severity == migration.Blocking {
			blocking++
		}
	}
	table(w, rows)
	text := "nothing stands against this migration"
	if blocking > 0 {
		text = fmt.Sprintf("%d of %d checks block this migration", blocking, len(findings))
	}
	_, _ = fmt.Fprintln(w, text) // memory
}
