package enginetest

import (
	"sync/atomic"

	"mongoferry/internal/migration"
)

// CountingGate lets every command through and counts them.
type CountingGate struct{ commands atomic.Int64 }

var _ migration.Gate = (*CountingGate)(nil)

// Check implements migration.Gate.
func (g *CountingGate) Check() error {
	g.commands.Add(1)
	return nil
}

// Commands is how many have gone through.
func (g *CountingGate) Commands() int64 { return g.commands.Load() }
