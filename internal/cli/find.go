package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/spf13/cobra"

	"mongoferry/internal/migration"
)

// oneID takes at most one argument.
func oneID(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("want one migration's id, got %d arguments", len(args))
	}
	return nil
}

// migrationID is the argument or, when exactly one migration is running, that
// one's id.
func (c *connection) migrationID(ctx context.Context, args []string) (string, error) {
	if len(args) == 1 {
		return args[0], nil
	}
	running, err := c.running(ctx)
	if err != nil {
		return "", err
	}
	switch len(running) {
	case 1:
		return running[0], nil
	case 0:
		return "", usagef("no migration is running: name one (starter list shows them)")
	default:
		return "", usagef("%d migrations are running: name one of %s", len(running), strings.Join(running, ", "))
	}
}

// running lists the migrations that are running. Visibility lags behind the
// truth: what has just begun may be missing, so an empty answer is asked for
// again; what has just ended may still be there, so each is looked at.
func (c *connection) running(ctx context.Context) ([]string, error) {
	const query = "WorkflowType='" + migration.WorkflowMigrate + "' AND ExecutionStatus='Running'"
	patience := time.After(visibilityLag)
	for {
		call, cancel := briefly(ctx)
		found, err := c.list(call, query)
		cancel()
		if err != nil {
			return nil, err
		}
		ids, err := c.stillRunning(ctx, found)
		if err != nil || len(ids) > 0 {
			return ids, err
		}
		select {
		case <-ctx.Done():
			return nil, c.explain(ctx.Err())
		case <-patience:
			return nil, nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// visibilityLag is how long an empty list of running migrations is doubted.
const visibilityLag = time.Second

// manyRunning is beyond what is worth looking at one by one.
const manyRunning = 20

func (c *connection) stillRunning(ctx context.Context, found []*workflow.WorkflowExecutionInfo) ([]string, error) {
	var ids []string
	for i, w := range found {
		id := w.GetExecution().GetWorkflowId()
		if i < manyRunning {
			d, err := c.describe(ctx, id)
			if err != nil && !errors.Is(err, errUnknownID) {
				return nil, err
			}
			if d.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
				continue
			}
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// list gives the first page of workflows that a visibility query finds.
func (c *connection) list(ctx context.Context, query string) ([]*workflow.WorkflowExecutionInfo, error) {
	reply, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: c.namespace, Query: query, PageSize: 200})
	if err != nil {
		return nil, c.explain(fmt.Errorf("list migrations: %w", err))
	}
	return reply.GetExecutions(), nil
}

// describe gives the latest run of a workflow.
func (c *connection) describe(ctx context.Context, id string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	ctx, cancel := briefly(ctx)
	defer cancel()
	reply, err := c.DescribeWorkflowExecution(ctx, id, "")
	if isNotFound(err) {
		return nil, fmt.Errorf("%w: no migration %q, starter list shows those there are", errUnknownID, id)
	}
	if err != nil {
		return nil, c.explain(err)
	}
	return reply, nil
}

// errUnknownID: Temporal knows no migration of that id; start branches on it.
var errUnknownID = errors.New("unknown id")

func isNotFound(err error) bool {
	var notFound *serviceerror.NotFound
	return errors.As(err, &notFound)
}

// describeMigration is describe for what must be a migration.
func (c *connection) describeMigration(ctx context.Context, id string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	reply, err := c.describe(ctx, id)
	if err != nil {
		return nil, err
	}
	if kind := reply.GetWorkflowExecutionInfo().GetType().GetName(); kind != migration.WorkflowMigrate {
		return nil, fmt.Errorf("%w: no migration %q, the workflow of that name is a %s", errUnknownID, id, kind)
	}
	return reply, nil
}
