package workflows

import (
	"go.temporal.io/sdk/workflow"

	"mongoferry/activities"
	"mongoferry/internal/migration"
)

// Validate runs the checks alone, on the worker, so that they see what a
// migration would see.
func Validate(ctx workflow.Context, spec migration.Spec) (migration.Validation, error) {
	var act *activities.Activities
	var checked activities.Checked
	err := workflow.ExecuteActivity(attended(ctx, "check both clusters"), act.Validate, spec.WithDefaults()).Get(ctx, &checked)
	return checked.Validation, err
}

// ReleaseSource lets writes to the source through again after a completed
// migration.
func ReleaseSource(ctx workflow.Context, spec migration.Spec) error {
	var act *activities.Activities
	return workflow.ExecuteActivity(attended(ctx, "lift the write block"), act.ReleaseSource, spec.WithDefaults()).Get(ctx, nil)
}

// CompensateInput is what Cleanup is told.
type CompensateInput = activities.CompensateInput

// Compensation is what Cleanup found.
type Compensation = activities.Compensation

// Cleanup mends what a terminated migration left: the write block, the marker,
// the metadata. It tells when the destination was open already.
func Cleanup(ctx workflow.Context, in CompensateInput) (Compensation, error) {
	var act *activities.Activities
	in.Spec = in.Spec.WithDefaults()
	var done Compensation
	err := workflow.ExecuteActivity(attended(ctx, "undo: write block, marker, metadata"), act.Compensate, in).Get(ctx, &done)
	return done, err
}
