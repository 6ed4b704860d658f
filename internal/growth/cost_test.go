package growth

import (
	"testing"
	"time"
)

// TestCost: what no test plays, since it would take hours, is far from the limits too.
func TestCost(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		m    Migration
		runs int
	}{
		{"nothing", Migration{}, 1},
		{"10 TB", Migration{Bytes: 10 * tb, Collections: 1000, Indexed: 1000}, 3},
		{"1,000,000 collections", Migration{Collections: 1_000_000, Indexed: 1_000_000}, 25},
		{"120 h in ready", Migration{Collections: 1, Ready: 120 * time.Hour}, 30},
	} {
		c := tc.m.Cost()
		if c.Runs > tc.runs {
			t.Errorf("%s takes %d runs, want at most %d", tc.name, c.Runs, tc.runs)
		}
		if perRun := c.Events / c.Runs; perRun > WarnEvents/2 {
			t.Errorf("%s: %d events a run", tc.name, perRun)
		}
		if perRun := c.Bytes / int64(c.Runs); perRun > WarnBytes/2 {
			t.Errorf("%s: %d bytes a run", tc.name, perRun)
		}
		t.Logf("%s: %+v", tc.name, c)
	}
}
