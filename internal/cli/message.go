package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/spf13/cobra"

	"mongoferry/internal/migration"
)

// answered is what a message to a migration brought about.
type answered struct {
	ID      string `json:"id"`
	Message string `json:"message"`
	Result  string `json:"result"`
}

func (a *App) pauseCommand() *cobra.Command {
	return a.messageCommand(migration.MessagePause, "Pauses copying or continuous sync; the cutover timer goes on")
}

func (a *App) resumeCommand() *cobra.Command {
	return a.messageCommand(migration.MessageResume, "Goes on after a pause")
}

func (a *App) extendCommand() *cobra.Command {
	return a.messageCommand(migration.MessageExtend, "Adds to the time that is left for the cutover")
}

// messageCommand sends a message that is answered at once.
func (a *App) messageCommand(name, short string) *cobra.Command {
	var agreed assent
	cmd := &cobra.Command{
		Use:   name + " [ID]",
		Short: short,
		Args:  oneID,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, args, func(ctx context.Context, c *connection, id string) error {
				result, err := c.send(ctx, id, name, migration.Tuning{}, !agreed.noWait)
				if err != nil {
					return err
				}
				return a.print(answered{id, name, result}, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%s: %s\n", id, result) })
			})
		},
	}
	agreed.register(cmd, "return when the message is accepted, before it has taken effect")
	cmd.Flags().Lookup("yes").Usage = "accepted as everywhere; this command asks nothing"
	return cmd
}

// messageValidity is how long a message may wait for a worker.
const messageValidity = 30 * time.Second

// send sends a message as an update and gives its answer. A refusal is an error
// with the reason alone.
func (c *connection) send(ctx context.Context, id, name string, wish migration.Tuning, wait bool) (string, error) {
	if err := c.refuseEnded(ctx, id, name); err != nil {
		return "", err
	}
	if !c.hasWorker(ctx) {
		return "", fmt.Errorf("%s was not delivered: %w; or leave it for the next worker: %s", name, errNoWorker, signalHint(id, name, wish))
	}
	request := migration.Request{NotAfter: c.app.Now().Add(messageValidity), Tuning: wish}
	stage := client.WorkflowUpdateStageAccepted
	if wait {
		stage = client.WorkflowUpdateStageCompleted
	}
	result := "accepted"
	err := c.patiently(ctx, "the answer of the migration "+id, func(ctx context.Context) error {
		handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
			WorkflowID: id, UpdateName: name, Args: []any{request}, WaitForStage: stage,
		})
		if err != nil || !wait {
			return err
		}
		return handle.Get(ctx, &result)
	})
	switch {
	case err == nil:
		return result, nil
	case errors.Is(err, errNoWorker):
		return "", fmt.Errorf("%s was not delivered: %w; or leave it for the next worker: %s", name, err, signalHint(id, name, wish))
	case isNotFound(err):
		if ended := c.refuseEnded(ctx, id, name); ended != nil {
			return "", ended
		}
	}
	if explained := c.explain(err); explained.Error() != err.Error() {
		return "", explained
	}
	return "", fmt.Errorf("%s refused: %s", name, failureText(err))
}

// refuseEnded refuses what only a running migration can obey.
func (c *connection) refuseEnded(ctx context.Context, id, name string) error {
	d, err := c.describeMigration(ctx, id)
	if err != nil {
		return err
	}
	if d.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return nil
	}
	o, err := c.observeEnded(ctx, d)
	if err != nil {
		return err
	}
	return fmt.Errorf("%s refused: the migration %s has ended: %s", name, id, o.status.Phase)
}
