package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

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
	refusedLate           = "TooLate"
	refusedTuning         = "BadTuning"
)

// refuse says why a message cannot be obeyed now, nil when it can.
func (m *run) refuse(in message) *refusal {
	phase := m.Status.Phase
	switch {
	case phase.Ended():
		return refused(refusedEnded, "the migration has ended: %s", phase)
	case m.ending:
		return refused(refusedEnded, "the migration is ending, it is being cleaned up")
	case m.Timer.Expired:
		return refused(refusedExpired, "the cutover timer has ended, the migration is being cleaned up")
	case phase == migration.Finalizing || phase == migration.CleaningUp:
		return refused(refusedAlreadyCutOver, "the destination is already in use (phase %s)", phase)
	}
	switch in.name {
	case migration.MessageTune:
		return m.refuseTuning(in)
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

// refuseUpdate also refuses what was not delivered in time.
func (m *run) refuseUpdate(ctx workflow.Context, name string, in migration.Request) *refusal {
	if !in.NotAfter.IsZero() && workflow.Now(ctx).After(in.NotAfter) {
		return refused(refusedLate, "it came too late, its sender no longer waits (or the clock there is behind): send it again")
	}
	return m.refuse(message{name: name, tuning: in.Tuning})
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

// namedFindings is how many findings an error names.
const namedFindings = 10

// blocked turns blocking findings into the fault that ends the migration.
func blocked(findings []migration.Finding) error {
	var texts []string
	for _, f := range findings {
		if f.Severity != migration.Blocking {
			continue
		}
		text := f.Message
		if f.Fix != "" {
			text += " (" + f.Fix + ")"
		}
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		return nil
	}
	if more := len(texts) - namedFindings; more > 0 {
		texts = append(texts[:namedFindings], fmt.Sprintf("and %d more: starter validate shows them", more))
	}
	return refused(string(migration.PreflightFailed), "preflight: %s", strings.Join(texts, "; ")).asError()
}
