package preflight

import (
	"fmt"

	"mongoferry/internal/mongodb"
)

// oldest are the first supported versions of each supported series.
var oldest = map[string]mongodb.Version{
	"6.0": {Major: 6, Minor: 0, Patch: 13},
	"7.0": {Major: 7, Minor: 0, Patch: 8},
}

// versionProblem says why a version is not supported, "" when it is.
func versionProblem(v mongodb.Version) string {
	first, known := oldest[v.Series()]
	switch {
	case known && v.AtLeast(first):
		return ""
	case known:
		return fmt.Sprintf("version %s is too old: upgrade it to %s or later", v, first)
	case v.AtLeast(mongodb.Version{Major: 7, Minor: 1}):
		return fmt.Sprintf("version %s is untested: this version of mongoferry supports 6.0 and 7.0", v)
	default:
		return fmt.Sprintf("version %s is not supported: upgrade it to 6.0.13 or 7.0.8 or later", v)
	}
}

// checkVersions wants supported versions of the same series, with the same
// feature compatibility version.
func (c *checker) checkVersions() bool {
	s, d := c.report.Source, c.report.Destination
	ok := true
	for _, side := range []struct {
		name    string
		cluster mongodb.Cluster
	}{{"source", s}, {"destination", d}} {
		if problem := versionProblem(side.cluster.Version); problem != "" {
			c.block("versions", "", "%s: %s", side.name, problem)
			ok = false
		}
	}
	if !ok {
		return false
	}
	if s.Version.Series() != d.Version.Series() {
		c.block("versions", "migrate between the same major version, and upgrade before or after",
			"the source is %s, the destination %s: they must be of the same series", s.Version, d.Version)
		return false
	}
	if s.FCV != d.FCV {
		c.block("feature compatibility", "set it with setFeatureCompatibilityVersion",
			"the source's feature compatibility version is %s, the destination's %s: they must be equal", s.FCV, d.FCV)
		return false
	}
	c.pass("versions", "source %s, destination %s, feature compatibility version %s", s.Version, d.Version, s.FCV)
	return true
}

// checkTopology wants replica sets.
func (c *checker) checkTopology() bool {
	ok := true
	for _, side := range []struct {
		name    string
		cluster mongodb.Cluster
	}{{"source", c.report.Source}, {"destination", c.report.Destination}} {
		switch side.cluster.Topology {
		case mongodb.Standalone:
			c.block("topology", "convert it to a replica set of one member", "the %s is a standalone server", side.name)
			ok = false
		case mongodb.Sharded:
			c.block("topology", "", "the %s is a sharded cluster, which this version does not migrate", side.name)
			ok = false
		}
	}
	if ok {
		c.pass("topology", "both are replica sets")
	}
	return ok
}

// checkDistinct tells clusters apart by what they are, not by their hosts.
func (c *checker) checkDistinct() bool {
	if c.report.Source.Identity == c.report.Destination.Identity {
		c.block("source is not destination", "check both connection strings",
			"source and destination are the same replica set %s", c.report.Source.SetName)
		return false
	}
	c.pass("source is not destination", "the replica sets differ")
	return true
}

// checkBlocks wants both sides to accept writes.
func (c *checker) checkBlocks() {
	const fix = "lift it: db.adminCommand({setUserWriteBlockMode: 1, global: false})"
	if c.report.Source.WritesBlocked {
		c.block("writes accepted", fix, "the source is write-blocked already")
	}
	if c.report.Destination.WritesBlocked {
		c.block("writes accepted", fix, "the destination is write-blocked")
	}
	if !c.report.Source.WritesBlocked && !c.report.Destination.WritesBlocked {
		c.pass("writes accepted", "neither side is write-blocked")
	}
}
