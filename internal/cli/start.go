package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/spf13/cobra"

	"mongoferry/internal/config"
	"mongoferry/internal/migration"
	"mongoferry/workflows"
)

// started is what start prints.
type started struct {
	ID  string `json:"id"`
	URL string `json:"url,omitempty"`
}

func (a *App) startCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "start --source STRING --destination STRING",
		Short: "Begins a migration and returns at once, printing its id",
		Long: "Begins a migration and returns at once, printing its id.\n\n" +
			"An id names one migration: it can be used again only after the former one has failed or was canceled, " +
			"and after cleanup when its workflow was terminated.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			spec, err := a.spec(cmd, "migration-")
			if err != nil {
				return err
			}
			c, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			return c.start(cmd.Context(), spec)
		},
	}
	config.SpecFlags(cmd.Flags())
	return cmd
}

// spec reads what the operator asks for; without an id it gets one.
func (a *App) spec(cmd *cobra.Command, prefix string) (migration.Spec, error) {
	key, err := a.key()
	if err != nil {
		return migration.Spec{}, err
	}
	spec, err := config.LoadSpec(cmd.Flags(), a.lookup, key != nil)
	if err != nil {
		return migration.Spec{}, err
	}
	spec.ID = cmp.Or(spec.ID, prefix+a.Now().UTC().Format("20060102-150405"))
	for name, e := range map[string]migration.Endpoint{"source": spec.Source, "destination": spec.Destination} {
		if cmd.Flags().Changed(name) && e.Address().HasPassword() {
			a.note("note: everybody on this machine can read the password of --%s in the list of processes; "+
				"it is safe in MONGOFERRY_%s or in the file of --config", name, map[string]string{"source": "SOURCE", "destination": "DESTINATION"}[name])
		}
	}
	return spec, nil
}

func (c *connection) start(ctx context.Context, spec migration.Spec) error {
	if err := c.refuseUncleaned(ctx, spec.ID); err != nil {
		return err
	}
	call, cancel := briefly(ctx)
	defer cancel()
	_, err := c.ExecuteWorkflow(call, c.startOptions(spec), migration.WorkflowMigrate, workflows.Input{Spec: spec})
	var exists *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &exists) {
		return c.explainExisting(ctx, spec.ID)
	}
	if err != nil {
		return c.explain(fmt.Errorf("start the migration: %w", err))
	}
	s := started{ID: spec.ID, URL: c.link(ctx, spec.ID)}
	if err := c.app.print(s, func(w io.Writer) { _, _ = fmt.Fprintln(w, s.ID) }); err != nil {
		return err
	}
	if c.app.output != "json" && s.URL != "" {
		c.app.note("Temporal UI: %s", s.URL)
	}
	if !c.hasWorker(ctx) {
		c.app.note("note: no worker works on task queue %s yet; the migration begins when one does", c.app.taskQueue)
	}
	return nil
}

// startOptions are those of a migration's workflow.
func (c *connection) startOptions(spec migration.Spec) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: spec.ID, TaskQueue: c.app.taskQueue,
		// A completed one must stay findable: release-source goes by its id.
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            fmt.Sprintf("%s → %s", spec.Source.Address().Hosts(), spec.Destination.Address().Hosts()),
	}
}

// refuseUncleaned: after a workflow was terminated, the clusters still bear its
// traces under this id, and a new migration would take them for its own.
func (c *connection) refuseUncleaned(ctx context.Context, id string) error {
	d, err := c.describe(ctx, id)
	if errors.Is(err, errUnknownID) {
		return nil
	}
	if err != nil {
		return err
	}
	info := d.GetWorkflowExecutionInfo()
	switch info.GetStatus() {
	case enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
	default:
		return nil
	}
	if c.doneSince(ctx, id+cleanupSuffix, info.GetCloseTime().AsTime()) {
		return nil
	}
	return fmt.Errorf("the workflow of the former migration %s was terminated and nothing was cleaned up: run starter cleanup %s first, or choose another --id", id, id)
}

func (c *connection) explainExisting(ctx context.Context, id string) error {
	if d, err := c.describe(ctx, id); err == nil &&
		d.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return fmt.Errorf("a migration %s has ended already (starter status %s): an id names one migration, choose another --id", id, id)
	}
	return fmt.Errorf("a migration %s is running already (starter status %s): choose another --id", id, id)
}

// pollersSeen is how recently a worker must have asked for work to be alive.
const pollersSeen = 70 * time.Second

// hasWorker says whether a worker has lately asked for work; when that cannot be
// told, it is taken for granted.
func (c *connection) hasWorker(ctx context.Context) bool {
	ctx, cancel := briefly(ctx)
	defer cancel()
	d, err := c.DescribeTaskQueue(ctx, c.app.taskQueue, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
	if err != nil {
		return true
	}
	for _, p := range d.GetPollers() {
		if c.app.Now().Sub(p.GetLastAccessTime().AsTime()) < pollersSeen {
			return true
		}
	}
	return false
}
