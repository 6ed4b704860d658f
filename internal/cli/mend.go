package cli

import (
	"context"
	"fmt"
	"io"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/spf13/cobra"

	"mongoferry/internal/migration"
	"mongoferry/workflows"
)

// What stands behind a migration's id in the ids of the small workflows.
const (
	validateSuffix = "-validate"
	releaseSuffix  = "-release-source"
	cleanupSuffix  = "-cleanup"
)

func (a *App) releaseSourceCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "release-source ID",
		Short: "Lets writes to the source through again after a migration",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, args, func(ctx context.Context, c *connection, id string) error { return c.releaseSource(ctx, id, yes) })
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "answer the question with yes; not asked without a terminal")
	return cmd
}

func (c *connection) releaseSource(ctx context.Context, id string, yes bool) error {
	o, err := c.observe(ctx, id)
	if err != nil {
		return err
	}
	// One that has failed may have been terminated after the destination was opened.
	if !o.closed || o.status.Phase != migration.Completed && o.status.Phase != migration.Failed {
		return fmt.Errorf("release-source refused: the migration %s has not completed, its phase is %s", id, o.status.Phase)
	}
	question := fmt.Sprintf("Let writes to the source %s through again: applications that still write there write past the destination.", o.status.Source.URI)
	return c.mend(ctx, o, yes, question, mending{
		workflow: migration.WorkflowReleaseSource, suffix: releaseSuffix,
		what: "lift the write block of the source", done: "the source accepts writes",
	})
}

func (a *App) cleanupCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "cleanup ID",
		Short: "Undoes what a workflow that was terminated by hand has left",
		Long:  "Undoes what a workflow that was terminated by hand has left: lifts its write block, removes its marker and metadata.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, args, func(ctx context.Context, c *connection, id string) error { return c.cleanup(ctx, id, yes) })
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "answer the question with yes; not asked without a terminal")
	return cmd
}

func (c *connection) cleanup(ctx context.Context, id string, yes bool) error {
	o, err := c.observe(ctx, id)
	if err != nil {
		return err
	}
	if !o.closed {
		return fmt.Errorf("cleanup refused: the migration %s is running: starter cancel %s cleans up too", id, id)
	}
	question := fmt.Sprintf("Lift the write block that the migration %s may have left on the source, and remove its marker and metadata from the destination.", id)
	m := mending{
		workflow: migration.WorkflowCleanup, suffix: cleanupSuffix,
		what: "undo what the migration left", done: "nothing of the migration is left but the data it copied",
	}
	var found workflows.Compensation
	m.result = &found
	m.after = func() string {
		if !found.Opened {
			return m.done
		}
		return fmt.Sprintf("the destination was open for writes already: it is finished, and its marker and metadata are gone; "+
			"the source stays closed for writes until: starter release-source %s", id)
	}
	return c.mend(ctx, o, yes, question, m)
}

// mending is a small workflow that puts something right after a migration. Its
// result, when there is one, is what after turns into the answer in place of done.
type mending struct {
	workflow, suffix, what, done string

	result any
	after  func() string
}

func (c *connection) mend(ctx context.Context, o observed, yes bool, question string, m mending) error {
	if err := c.app.confirm(yes, question); err != nil {
		return err
	}
	id := o.status.ID
	in, err := c.input(ctx, id, o.runID)
	if err != nil {
		return err
	}
	var argument any = in.Spec
	if m.workflow == migration.WorkflowCleanup {
		argument = workflows.CompensateInput{Spec: in.Spec, Run: o.firstRunID}
	}
	err = c.runSmall(ctx, client.StartWorkflowOptions{
		ID:                       id + m.suffix,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}, m.what, m.workflow, argument, m.result)
	if err != nil {
		return err
	}
	answer := m.done
	if m.after != nil {
		answer = m.after()
	}
	return c.app.print(answered{id, m.suffix[1:], answer}, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%s: %s\n", id, answer) })
}
