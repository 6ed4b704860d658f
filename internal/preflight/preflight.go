// Package preflight looks at both clusters before anything is changed, and says
// what stands against a migration and how to mend it.
package preflight

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/namespace"
	"mongoferry/internal/ownership"
)

// patience bounds how long a server may take to answer.
const patience = 8 * time.Second

// Report is everything that was looked at, passed checks included.
type Report struct {
	Findings            []migration.Finding
	Source, Destination mongodb.Cluster
}

// checker collects findings.
type checker struct {
	spec     migration.Spec
	src, dst *mongodb.Client
	report   Report
}

func (c *checker) add(check string, severity migration.Severity, fix, format string, args ...any) {
	c.report.Findings = append(c.report.Findings, migration.Finding{
		Check: check, Severity: severity, Fix: fix, Message: migration.Redact(fmt.Sprintf(format, args...)),
	})
}

func (c *checker) pass(check, format string, args ...any) {
	c.add(check, migration.Passed, "", format, args...)
}

func (c *checker) block(check, fix, format string, args ...any) {
	c.add(check, migration.Blocking, fix, format, args...)
}

func (c *checker) warn(check, fix, format string, args ...any) {
	c.add(check, migration.Warning, fix, format, args...)
}

// Run makes every check. What cannot be found out is a finding too; the error is
// for a context that has ended.
func Run(ctx context.Context, spec migration.Spec, src, dst *mongodb.Client) (Report, error) {
	c := &checker{spec: spec, src: src, dst: dst}
	filter, err := namespace.Parse(spec.Include, spec.Exclude, spec.MetadataDB)
	if err != nil {
		c.block("namespaces", "", "%s", err)
		return c.report, nil
	}
	okSource := c.reach(ctx, src, &c.report.Source)
	okDestination := c.reach(ctx, dst, &c.report.Destination)
	if ctx.Err() != nil {
		return c.report, ctx.Err()
	}
	c.checkTLS()
	if !okSource || !okDestination {
		return c.report, nil
	}
	if !c.checkTopology() || !c.checkVersions() || !c.checkDistinct() {
		return c.report, nil
	}
	c.checkBlocks()
	c.checkOwner(ctx)
	c.checkRights(ctx)
	c.checkCatalog(ctx, filter)
	return c.report, ctx.Err()
}

// reach asks a deployment what it is.
func (c *checker) reach(ctx context.Context, client *mongodb.Client, into *mongodb.Cluster) bool {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cluster, err := mongodb.Inspect(limited, client)
	*into = cluster
	check := client.Name() + " reachable"
	switch {
	case err == nil:
		c.pass(check, "the %s is a %s of version %s", client.Name(), cluster.Topology, cluster.Version)
		return true
	case mongodb.Code(err) == mongodb.CodeUnauthorized:
		c.block(check, "see docs/security.md for the roles", "%s", err)
		c.checkSide(ctx, client) // name everything that is missing at once
	case migration.KindOf(err) == migration.AccessDenied:
		c.block(check, "check the user, its password and authSource", "%s", err)
	case errors.Is(err, context.DeadlineExceeded) || mongodb.IsTransient(err):
		c.block(check, "check host, port, replicaSet and TLS settings, and that the worker can reach it",
			"the %s at %s does not answer: %s", client.Name(), client.Address().Hosts(), err)
	default:
		c.block(check, "", "%s", err)
	}
	return false
}

// checkOwner refuses a destination that another migration has claimed, or where a
// collection stands in the place of one that is to be made, and would be dropped at the
// end.
func (c *checker) checkOwner(ctx context.Context) {
	ledger := ownership.NewLedger(c.dst, c.spec.MetadataDB, c.spec.ID)
	m, err := ledger.Find(ctx)
	taken := ""
	if err == nil && m == nil {
		if taken = c.takenName(ctx); taken != "" {
			m, err = ledger.Find(ctx) // it may be of one that has only just begun
		}
	}
	switch {
	case err != nil:
		c.block("destination free", "", "%s", err)
	case m != nil && m.Owner != c.spec.ID:
		c.block("destination free", "", "%s", ownership.ClaimedBy(m))
	case m == nil && taken != "":
		c.block("destination free", "choose another name with --metadata-db",
			"the metadata database %s of the destination holds a collection %s that is no migration's", c.spec.MetadataDB, taken)
	default:
		c.pass("destination free", "no other migration owns the destination")
	}
}

// takenName is a collection with documents that has the name of one of the migration's.
func (c *checker) takenName(ctx context.Context) string {
	for _, name := range ownership.Collections() {
		found, err := mongodb.All(ctx, c.dst, c.spec.MetadataDB, bson.D{
			{Key: "find", Value: name}, {Key: "limit", Value: 1}, {Key: "projection", Value: bson.D{{Key: "_id", Value: 1}}},
		})
		if err == nil && len(found) > 0 { // missing rights are another check's to tell
			return name
		}
	}
	return ""
}

// checkMetadataName refuses to leave a database of the source out only because
// of its name.
func (c *checker) checkMetadataName(dbs []string) {
	if slices.Contains(dbs, c.spec.MetadataDB) {
		c.block("source catalog", "choose another name with --metadata-db",
			"the source has a database %s, the name of the metadata database: it would be left out", c.spec.MetadataDB)
	}
}

// checkCatalog looks for what cannot be migrated, and for what is in the way.
func (c *checker) checkCatalog(ctx context.Context, f namespace.Filter) {
	cols, err := catalog.Read(ctx, c.src, f)
	if err != nil {
		c.block("source catalog", "see docs/security.md for the roles", "%s", err)
		return
	}
	dbs, err := catalog.Databases(ctx, c.src)
	if err != nil {
		c.block("source catalog", "see docs/security.md for the roles", "%s", err)
		return
	}
	c.checkMetadataName(dbs)
	unsupported := 0
	for _, col := range cols {
		if what := col.Unsupported(); what != "" {
			unsupported++
			c.block("source catalog", "exclude it: --exclude "+col.NS.String(), "%s is %s, which this version does not migrate", col.NS, what)
		}
	}
	if unsupported == 0 {
		c.pass("source catalog", "%d collections and views can be migrated", len(cols))
	}
	conflicts, err := catalog.Conflicts(ctx, c.dst, cols)
	switch {
	case err != nil:
		c.block("destination empty", "see docs/security.md for the roles", "%s", err)
	case len(conflicts) > 0 && !c.spec.DropDestination:
		c.block("destination empty", "drop them, exclude them, or give --drop-destination to have them deleted",
			"the destination already holds %d of the namespaces to be migrated, first %s", len(conflicts), conflicts[0].NS)
	case len(conflicts) > 0:
		c.warn("destination empty", "", "%d namespaces of the destination will be deleted, first %s", len(conflicts), conflicts[0].NS)
	default:
		c.pass("destination empty", "the destination holds none of the namespaces to be migrated")
	}
}
