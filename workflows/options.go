package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"mongoferry/internal/migration"
)

// Times of the activities. A dead worker is noticed after heartbeat; nothing
// written to the destination is older than half of it.
const (
	heartbeat = 10 * time.Second
	// aDay bounds one attempt of a long step; its next attempt resumes.
	aDay = 24 * time.Hour
	// compensationPatience bounds the clean-up after a cancel or a failure, so
	// that a cluster that is gone for good does not keep the workflow open.
	compensationPatience = 15 * time.Minute
	// attendedPatience bounds what somebody waits for.
	attendedPatience = 5 * time.Minute
	// finalizePatience bounds the steps after the destination is open.
	finalizePatience = 72 * time.Hour
)

// untilItWorks retries for as long as it takes: errors that repeating cannot
// mend are not retryable by their type (see package activities).
var untilItWorks = &temporal.RetryPolicy{
	InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second,
}

// step is for single actions: validate, prepare, clean up.
func step(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: aDay, HeartbeatTimeout: heartbeat, RetryPolicy: untilItWorks,
		WaitForCancellation: true, Summary: summary,
	})
}

// aside is for a step that only looks: whoever ends it does not wait for it.
func aside(ctx workflow.Context, summary string) workflow.Context {
	options := workflow.GetActivityOptions(step(ctx, summary))
	options.WaitForCancellation = false
	return workflow.WithActivityOptions(ctx, options)
}

// check is for questions whose answer is only worth waiting for a moment.
func check(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Hour, HeartbeatTimeout: heartbeat,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, MaximumAttempts: 3, NonRetryableErrorTypes: forSomebody()},
		WaitForCancellation: true, Summary: summary,
	})
}

// forSomebody are the types of errors that only somebody can mend: whoever waits
// for an answer wants to hear of them at once.
func forSomebody() []string {
	return []string{string(migration.AccessDenied), string(migration.BadConfiguration)}
}

// attended is for steps that somebody waits for at a terminal.
func attended(ctx workflow.Context, summary string) workflow.Context {
	policy := *untilItWorks
	policy.NonRetryableErrorTypes = forSomebody()
	return workflow.WithRetryPolicy(bounded(ctx, summary, attendedPatience), policy)
}

// bounded is for steps that must end even when a cluster is gone.
func bounded(ctx workflow.Context, summary string, patience time.Duration) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		ScheduleToCloseTimeout: patience, HeartbeatTimeout: heartbeat, RetryPolicy: untilItWorks,
		Summary: summary,
	})
}
