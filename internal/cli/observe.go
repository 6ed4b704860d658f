package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"mongoferry/internal/migration"
	"mongoferry/internal/seal"
	"mongoferry/workflows"
)

// queryPatience is how long the workflow itself may take to answer before its
// memo speaks for it.
const queryPatience = time.Second

// noWorker is the notice that the document is not of this moment.
const noWorker = "no worker"

// observed is a migration as seen from outside.
type observed struct {
	status migration.Status
	// fresh says that the workflow itself has answered, or has ended.
	fresh bool
	// closed is whether the workflow has ended, however it ended.
	closed bool
	end    enumspb.WorkflowExecutionStatus
	// runID is the last run's id, firstRunID that of the one it all began with.
	runID, firstRunID string
}

// observe puts the status together: from the workflow's answer or its memo, from
// the activities under way, and from how it has ended.
func (c *connection) observe(ctx context.Context, id string) (observed, error) {
	before, err := c.describeMigration(ctx, id)
	if err != nil {
		return observed{}, err
	}
	if info := before.GetWorkflowExecutionInfo(); info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return c.observeEnded(ctx, before)
	}
	info := before.GetWorkflowExecutionInfo()
	o := observed{runID: info.GetExecution().GetRunId(), firstRunID: info.GetFirstRunId()}
	status, err := c.query(ctx, id)
	if err != nil {
		if ctx.Err() != nil {
			return observed{}, c.explain(ctx.Err())
		}
		o.status = c.remembered(ctx, before)
		o.status.Notices = append(o.status.Notices, migration.Notice{At: stamp(c.app.Now()), Message: silence(err)})
		merge(&o.status, before.GetPendingActivities(), false)
		return o, nil
	}
	o.status, o.fresh = status, true
	after, err := c.describeMigration(ctx, id)
	if err != nil {
		return observed{}, err
	}
	if after.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return c.observeEnded(ctx, after)
	}
	// Activities that are in only one of the two may be in the answer already.
	merge(&o.status, inBoth(before, after), true)
	estimate(&o.status, c.app.Now())
	return o, nil
}

// query asks the workflow.
func (c *connection) query(ctx context.Context, id string) (migration.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, queryPatience)
	defer cancel()
	var status migration.Status
	answer, err := c.QueryWorkflow(ctx, id, "", migration.QueryStatus)
	if err != nil {
		return status, err
	}
	if err := answer.Get(&status); err != nil {
		return status, fmt.Errorf("read the status: %w", err)
	}
	return status, nil
}

// silence says why the workflow did not answer.
func silence(err error) string {
	if isTimeout(err) {
		return noWorker + ": this is how things stood at updatedAt"
	}
	return noWorker + " that can answer, this is how things stood at updatedAt: " + oneLine(err)
}

// remembered is the status as of the last phase change or minute, or the little
// that is known when the workflow has not taken its first step.
func (c *connection) remembered(ctx context.Context, d *workflowservice.DescribeWorkflowExecutionResponse) migration.Status {
	info := d.GetWorkflowExecutionInfo()
	if status, ok := statusOfMemo(info.GetMemo()); ok {
		return status
	}
	started := stamp(info.GetStartTime().AsTime())
	status := migration.Status{
		ID: info.GetExecution().GetWorkflowId(), Phase: migration.Validating, StartedAt: started, UpdatedAt: started,
		Notices: []migration.Notice{}, Warnings: []string{},
		Verification: migration.VerificationStatus{State: "off", Samples: []string{}},
		Cutover:      migration.CutoverStatus{Reasons: []string{}, UnsuccessfulIndexes: []migration.UnsuccessfulIndex{}},
	}
	// Without the key the addresses stay empty.
	if in, err := c.input(ctx, status.ID, info.GetExecution().GetRunId()); err == nil {
		status.Source.URI = in.Spec.Source.Address().Hosts()
		status.Destination.URI = in.Spec.Destination.Address().Hosts()
	}
	return status
}

func statusOfMemo(memo *commonpb.Memo) (migration.Status, bool) {
	var status migration.Status
	payload, ok := memo.GetFields()[migration.MemoStatus]
	if !ok {
		return status, false
	}
	// It travels in clear.
	err := converter.GetDefaultDataConverter().FromPayload(payload, &status)
	return status, err == nil && status.ID != ""
}

// observeEnded is the status of a workflow that has ended.
func (c *connection) observeEnded(ctx context.Context, d *workflowservice.DescribeWorkflowExecutionResponse) (observed, error) {
	info := d.GetWorkflowExecutionInfo()
	id, runID := info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId()
	o := observed{fresh: true, closed: true, end: info.GetStatus(), runID: runID, firstRunID: info.GetFirstRunId()}
	ctx, cancel := briefly(ctx)
	defer cancel()
	failure := c.GetWorkflow(ctx, id, runID).Get(ctx, &o.status)
	if isTimeout(failure) || ctx.Err() != nil {
		return o, c.explain(context.DeadlineExceeded)
	}
	if failure == nil {
		if o.status.Source.WritesBlocked && c.released(ctx, id, info.GetCloseTime().AsTime()) {
			o.status.Source.WritesBlocked = false
		}
		return o, nil
	}
	o.status = c.remembered(ctx, d)
	was := o.status.Phase
	switch o.end {
	case enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:
		o.status.Phase = migration.Canceled
	case enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		o.status.Phase = migration.Failed
		o.status.Error = fmt.Sprintf("the workflow was ended from outside in phase %s, nothing was cleaned up: run starter cleanup %s", was, id)
	default:
		o.status.Phase = migration.Failed
		o.status.Error = cmp.Or(o.status.Error, failureText(failure))
	}
	o.status.Cutover.Allowed = false
	o.status.Cutover.Reasons = []string{fmt.Sprintf("the migration has ended: %s", o.status.Phase)}
	return o, nil
}

func failureText(err error) string {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return oneLine(errors.New(app.Message()))
	}
	return oneLine(err)
}

// released says whether the write block was lifted after the migration's end.
func (c *connection) released(ctx context.Context, id string, end time.Time) bool {
	return c.doneSince(ctx, id+releaseSuffix, end)
}

// doneSince says whether a small workflow was started after a time and has
// completed; one that is not known has not.
func (c *connection) doneSince(ctx context.Context, workflowID string, since time.Time) bool {
	d, err := c.describe(ctx, workflowID)
	info := d.GetWorkflowExecutionInfo()
	return err == nil && info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED &&
		!info.GetStartTime().AsTime().Before(since)
}

// input is what the migration was started with; it stands in the first event of
// every run.
func (c *connection) input(ctx context.Context, id, runID string) (workflows.Input, error) {
	var in workflows.Input
	ctx, cancel := briefly(ctx)
	defer cancel()
	events := c.GetWorkflowHistory(ctx, id, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	if !events.HasNext() {
		return in, fmt.Errorf("the history of %s is empty", id)
	}
	first, err := events.Next()
	if err != nil {
		return in, c.explain(fmt.Errorf("read the history of %s: %w", id, err))
	}
	key, err := c.app.key()
	if err != nil {
		return in, err
	}
	err = seal.DataConverter(key).FromPayloads(first.GetWorkflowExecutionStartedEventAttributes().GetInput(), &in)
	if err != nil {
		return in, fmt.Errorf("read what the migration %s was started with: %w", id, err)
	}
	return in, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
