package initialsync

import (
	"runtime"
	"testing"

	"mongoferry/internal/enginetest"
	"mongoferry/internal/partition"
)

// TestCost: what a copy may cost, in commands to both sides for a thousand documents,
// and in bytes allocated for each byte copied: those for reading a batch off the
// network and writing it there, and none for looking into it. There are no times in
// it, which say more of the machine than of the code.
func TestCost(t *testing.T) {
	const documents, commands, allocated = 30_000, 1.0, 7.0
	k := newCopying(t, plain(documents, 500))
	task := k.task(partition.Whole(k.c), func(Progress) {})
	gate := &enginetest.CountingGate{}
	task.Source, task.Destination = task.Source.WithGate(gate), task.Destination.WithGate(gate)
	task.Slots = k.slots(task.Destination)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	done, err := Copy(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	k.same()
	perThousand := float64(gate.Commands()) / (float64(done.Documents) / 1000)
	perByte := float64(after.TotalAlloc-before.TotalAlloc) / float64(done.Bytes)
	t.Logf("%.2f commands for a thousand documents, %.2f bytes allocated for each that was copied", perThousand, perByte)
	if done.Documents != documents || perThousand > commands || perByte > allocated {
		t.Errorf("got %d documents, %.2f commands for a thousand and %.2f bytes for each, want %d, at most %.2f and %.2f",
			done.Documents, perThousand, perByte, documents, commands, allocated)
	}
}

// TestCostOfSmallCollections: parts of an attempt that fit one batch cost two commands
// each, and its slots are taken once.
func TestCostOfSmallCollections(t *testing.T) {
	t.Parallel()
	const parts = 5
	k := newCopying(t, plain(20, 200))
	task := k.task(partition.Whole(k.c), func(Progress) {})
	gate := &enginetest.CountingGate{}
	task.Source, task.Destination = task.Source.WithGate(gate), task.Destination.WithGate(gate)
	task.Slots = k.slots(task.Destination)
	for range parts {
		if _, err := Copy(t.Context(), task); err != nil {
			t.Fatal(err)
		}
	}
	k.same()
	if have := gate.Commands(); have != 2+2*parts {
		t.Errorf("%d commands for %d parts, want %d", have, parts, 2+2*parts)
	}
}
