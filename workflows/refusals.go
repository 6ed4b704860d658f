package workflows

import (
	"fmt"
	"time"

	"mongoferry/internal/migration"
)

// Names of the refusals, as the types of application errors.
const (
	refusedEnded          = "MigrationEnded"
	refusedInitialSync    = "InitialSyncRunning"
	refusedPaused         = "Paused"
	refusedHighLag        = "HighLag"
	refusedUnderWay       = "CutoverUnderWay"
	refusedAlreadyCutOver = "AlreadyCutOver"
	refusedNoTimer        = "TimerNotStarted"
	refusedNotPausable    = "NotPausable"
	refusedNotPaused      = "NotPaused"
	refusedNotReady       = "NotReadyForCutover"
	refusedExpired        = "TimerEnded"
)

// refuse says why a message cannot be obeyed now, nil when it can.
func (m *run) refuse(name string) *refusal {
	phase := m.Status.Phase
	switch {
	case phase.Ended():
		return refused(refusedEnded, "the migration has ended: %s", phase)
	case m.Timer.Expired:
		return refused(refusedExpired, "the cutover timer has ended, the migration is being cleaned up")
	case phase == migration.Finalizing || phase == migration.CleaningUp:
		return refused(refusedAlreadyCutOver, "the destination is already in use (phase %s)", phase)
	}
	switch name {
	case migration.MessageCutover:
		return m.refuseCutover()
	case migration.MessageExtend:
		if m.Timer.Deadline.IsZero() {
			return refused(refusedNoTimer, "the cutover timer starts when phase ready is first reached; the phase is %s", phase)
		}
	case migration.MessagePause:
		if m.Status.Paused {
			return refused(refusedPaused, "the migration is paused already")
		}
		if !phase.Pausable() || m.cutover.wanted {
			return refused(refusedNotPausable, "phase %s cannot be paused", phase)
		}
	case migration.MessageResume:
		if !m.Status.Paused {
			return refused(refusedNotPaused, "the migration is not paused")
		}
	}
	return nil
}

func (m *run) refuseCutover() *refusal {
	switch {
	case m.Status.Phase == migration.CuttingOver || m.cutover.wanted:
		return refused(refusedUnderWay, "a cutover is under way")
	case m.Status.Phase != migration.Ready:
		return refused(refusedInitialSync, "the initial sync is running (phase %s): wait for phase ready", m.Status.Phase)
	case m.Status.Paused:
		return refused(refusedPaused, "the migration is paused: resume it and wait for the lag to fall")
	}
	return m.refuseLag()
}

func (m *run) refuseLag() *refusal {
	limit := int64(migration.MaxCutoverLag / time.Second)
	if lag := m.Status.Replication.LagSeconds; lag > limit {
		return refused(refusedHighLag, "the destination is %d s behind the source: wait until it is at most %d s", lag, limit)
	}
	return nil
}

// blocked turns blocking findings into the fault that ends the migration.
func blocked(findings []migration.Finding) error {
	text := ""
	for _, f := range findings {
		if f.Severity == migration.Blocking {
			text += fmt.Sprintf("; %s", f.Message)
			if f.Fix != "" {
				text += " (" + f.Fix + ")"
			}
		}
	}
	if text == "" {
		return nil
	}
	return refused(string(migration.PreflightFailed), "preflight: %s", text[2:]).asError()
}
