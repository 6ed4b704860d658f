package migration

import "testing"

func TestOpTimeOrder(t *testing.T) {
	t.Parallel()
	ordered := []OpTime{{}, {T: 0, I: 1}, {T: 1, I: 0}, {T: 1, I: 2}, {T: 2, I: 1}}
	for i, a := range ordered {
		for j, b := range ordered {
			if a.Before(b) != (i < j) || a.After(b) != (i > j) {
				t.Errorf("%v and %v are in the wrong order", a, b)
			}
			if got := Later(a, b); got != ordered[max(i, j)] {
				t.Errorf("Later(%v, %v) = %v", a, b, got)
			}
		}
	}
}

func TestPhases(t *testing.T) {
	t.Parallel()
	for phase, want := range map[Phase][3]bool{ // ended, syncing, pausable
		Validating: {}, Preparing: {}, Copying: {false, false, true}, CatchingUp: {false, true, true}, Ready: {false, true, true},
		CuttingOver: {}, Finalizing: {}, CleaningUp: {},
		Completed: {true, false, false}, Canceled: {true, false, false}, Expired: {true, false, false}, Failed: {true, false, false},
	} {
		if got := [3]bool{phase.Ended(), phase.Syncing(), phase.Pausable()}; got != want {
			t.Errorf("%s: ended, syncing, pausable are %v, want %v", phase, got, want)
		}
	}
}

// TestTerminalFaults: repeating helps when an attempt lost its lease or was
// overtaken, and when somebody mends a configuration or a right.
func TestTerminalFaults(t *testing.T) {
	t.Parallel()
	for _, kind := range []FaultKind{PreflightFailed, DestinationClaimed, HistoryLost, Unsupported, UnexpectedChange, WriteRefused, CompatibilityChanged} {
		if !kind.Terminal() {
			t.Errorf("%s is repeated", kind)
		}
	}
	for _, kind := range []FaultKind{Superseded, LeaseLost, BadConfiguration, AccessDenied, ""} {
		if kind.Terminal() {
			t.Errorf("%q is not repeated", kind)
		}
	}
}
