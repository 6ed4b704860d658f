package activities

import (
	"context"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/preflight"
)

// Validate runs the preflight checks. Findings are its result, not errors.
func (a *Activities) Validate(ctx context.Context, spec migration.Spec) (Checked, error) {
	return work(ctx, a, spec, func(ctx context.Context, s *session) (Checked, error) {
		report, err := preflight.Run(ctx, spec, s.source, s.destination)
		return Checked{
			SearchAttributes: a.searchAttributes,
			Validation: migration.Validation{
				Findings: report.Findings, Source: describe(s.source, report.Source), Destination: describe(s.destination, report.Destination),
			},
		}, err
	})
}

func describe(c *mongodb.Client, cluster mongodb.Cluster) migration.ClusterStatus {
	status := migration.ClusterStatus{URI: c.Address().Hosts(), FCV: cluster.FCV, Topology: string(cluster.Topology), WritesBlocked: cluster.WritesBlocked}
	if cluster.Version != (mongodb.Version{}) {
		status.Version = cluster.Version.String()
	}
	return status
}
