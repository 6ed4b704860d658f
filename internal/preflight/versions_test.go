package preflight

import (
	"strings"
	"testing"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// answers is a cluster as its server's answers describe it. No server of 7.0 can
// be had by these tests: its answers are faked here.
func answers(t *testing.T, version, fcv string) mongodb.Cluster {
	t.Helper()
	v, err := mongodb.ParseVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	return mongodb.Cluster{Version: v, FCV: fcv, Topology: mongodb.ReplicaSet, Identity: version}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	cases := []struct{ source, sourceFCV, destination, destinationFCV, want string }{
		{"6.0.13", "6.0", "6.0.13", "6.0", ""},
		{"6.0.27", "6.0", "6.0.13", "6.0", ""},
		{"6.0.27", "5.0", "6.0.27", "5.0", ""},
		{"7.0.8", "7.0", "7.0.8", "7.0", ""},
		{"7.0.31", "7.0", "7.0.8", "7.0", ""},
		{"7.0.8-rc1", "7.0", "7.0.8", "7.0", ""},
		{"6.0.12", "6.0", "6.0.27", "6.0", "source: version 6.0.12 is too old: upgrade it to 6.0.13 or later"},
		{"6.0.27", "6.0", "6.0.5", "6.0", "destination: version 6.0.5 is too old: upgrade it to 6.0.13 or later"},
		{"7.0.7", "7.0", "7.0.8", "7.0", "source: version 7.0.7 is too old: upgrade it to 7.0.8 or later"},
		{"7.0.8", "7.0", "7.0.0", "7.0", "destination: version 7.0.0 is too old: upgrade it to 7.0.8 or later"},
		{"7.1.0", "7.1", "7.1.0", "7.1", "source: version 7.1.0 is untested"},
		{"8.0.4", "8.0", "8.0.4", "8.0", "source: version 8.0.4 is untested"},
		{"5.0.30", "5.0", "6.0.27", "6.0", "source: version 5.0.30 is not supported: upgrade it to 6.0.13 or 7.0.8 or later"},
		{"4.4.0", "4.4", "6.0.27", "6.0", "source: version 4.4.0 is not supported"},
		{"6.3.1", "6.3", "6.3.1", "6.3", "source: version 6.3.1 is not supported"},
		{"6.0.27", "6.0", "7.0.8", "7.0", "the source is 6.0.27, the destination 7.0.8: they must be of the same series"},
		{"7.0.8", "7.0", "6.0.27", "6.0", "the source is 7.0.8, the destination 6.0.27: they must be of the same series"},
		{"7.0.8", "6.0", "7.0.8", "7.0", "the source's feature compatibility version is 6.0, the destination's 7.0: they must be equal"},
	}
	for _, tc := range cases {
		c := &checker{report: Report{Source: answers(t, tc.source, tc.sourceFCV), Destination: answers(t, tc.destination, tc.destinationFCV)}}
		ok := c.checkVersions()
		var said []string
		for _, f := range c.report.Findings {
			if f.Severity == migration.Blocking {
				said = append(said, f.Message)
			}
		}
		if text := strings.Join(said, "; "); ok != (tc.want == "") || !strings.Contains(text, tc.want) || (text == "") != ok {
			t.Errorf("%s (%s) to %s (%s): %t, %q, want %q", tc.source, tc.sourceFCV, tc.destination, tc.destinationFCV, ok, text, tc.want)
		}
	}
}

func TestTopology(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		source, destination mongodb.Topology
		want                string
	}{
		{mongodb.ReplicaSet, mongodb.ReplicaSet, ""},
		{mongodb.Standalone, mongodb.ReplicaSet, "the source is a standalone server"},
		{mongodb.ReplicaSet, mongodb.Standalone, "the destination is a standalone server"},
		{mongodb.Sharded, mongodb.ReplicaSet, "the source is a sharded cluster"},
		{mongodb.ReplicaSet, mongodb.Sharded, "the destination is a sharded cluster"},
	} {
		c := &checker{report: Report{Source: mongodb.Cluster{Topology: tc.source}, Destination: mongodb.Cluster{Topology: tc.destination}}}
		ok := c.checkTopology()
		if last := c.report.Findings[0]; ok != (tc.want == "") || !strings.Contains(last.Message, tc.want) {
			t.Errorf("%s to %s: %t, %q", tc.source, tc.destination, ok, last.Message)
		}
	}
}

func TestWriteBlocks(t *testing.T) {
	t.Parallel()
	for i, blocked := range [][2]bool{{false, false}, {true, false}, {false, true}, {true, true}} {
		c := &checker{report: Report{Source: mongodb.Cluster{WritesBlocked: blocked[0]}, Destination: mongodb.Cluster{WritesBlocked: blocked[1]}}}
		c.checkBlocks()
		if migration.HasBlocking(c.report.Findings) != (i > 0) {
			t.Errorf("%v: %v", blocked, c.report.Findings)
		}
	}
}
