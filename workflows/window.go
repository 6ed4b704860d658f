package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"mongoferry/activities"
	"mongoferry/internal/migration"
)

const (
	// watchLength bounds one activity that watches the oplog during the copy: what
	// is left of the copy is reckoned anew between two. While paused there is
	// nothing to reckon.
	watchLength       = 5 * time.Minute
	watchLengthPaused = 12 * time.Hour
	// windowWarning begins every warning of the window, of which the list holds
	// the last.
	windowWarning = "the oplog window is running out: "
)

// WindowState is what the operator was told of the source's oplog. Warned is how
// many seconds the position had left at the last warning.
type WindowState struct {
	Warned     int64 `json:"warned,omitempty"`
	Unreadable bool  `json:"unreadable,omitempty"`
}

// watched does something that does not move the position, while an activity
// watches that the oplog goes on holding it. A lost history ends both at once.
func (m *run) watched(ctx workflow.Context, do func(workflow.Context) error) error {
	doing, stopDoing := workflow.WithCancel(ctx)
	defer stopDoing()
	watching, stopWatching := workflow.WithCancel(ctx)
	defer stopWatching()
	var failed error
	ended := workflow.NewWaitGroup(ctx)
	ended.Add(1)
	workflow.Go(watching, func(ctx workflow.Context) {
		defer ended.Done()
		if failed = m.watch(ctx); failed != nil {
			stopDoing()
		}
	})
	err := do(doing)
	stopWatching()
	ended.Wait(ctx)
	if failed != nil && ctx.Err() == nil {
		return failed
	}
	return err
}

// watch lets one activity after the other watch the oplog until it is cancelled.
func (m *run) watch(ctx workflow.Context) error {
	for ctx.Err() == nil {
		began, copying := workflow.Now(ctx), m.Status.Phase == migration.Copying && !m.Status.Paused
		in := activities.WatchInput{
			Spec: m.spec, Position: m.Position, Compatibility: m.compatibility(), Needed: m.copyNeeds(),
			Warned: m.Window.Warned, Unreadable: m.Window.Unreadable, Duration: watchLength,
		}
		if m.Status.Paused {
			in.Duration = watchLengthPaused
		}
		var seen activities.WatchResult
		err := workflow.ExecuteActivity(aside(ctx, "watch the source's oplog"), m.act.WatchOplog, in).Get(ctx, &seen)
		if copying {
			m.Copy.Took += workflow.Now(ctx).Sub(began)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if seen.Window != (migration.OplogWindow{}) {
			m.Status.Replication.SetWindow(seen.Window)
		}
		m.heed(ctx, seen.Window, in.Needed)
		m.touch(ctx)
	}
	return nil
}

// compatibility is what both sides began with.
func (m *run) compatibility() activities.Compatibility {
	return activities.Compatibility{Source: m.Status.Source.FCV, Destination: m.Status.Destination.FCV}
}

// copyNeeds is for how many seconds the start point is needed until everything is
// copied, at the pace so far. Index builds cannot be reckoned, nor can a pause.
func (m *run) copyNeeds() int64 {
	bytes, took := m.Status.Copy.Bytes, m.Copy.Took.Seconds()
	left := bytes.Total - bytes.Copied
	if m.Status.Paused || bytes.Copied == 0 || left <= 0 || took < 1 {
		return migration.Unknown
	}
	return int64(float64(left)*took/float64(bytes.Copied)) + 1
}

// catchUpNeeds is for how many seconds the oplog must hold what is still to be
// applied.
func (m *run) catchUpNeeds() int64 {
	r := m.Status.Replication
	if time.Duration(r.LagSeconds)*time.Second <= m.spec.ReadyLag {
		return 0
	}
	return r.ETASeconds
}

// heed warns of a window that is too short for what is left, once, and again when
// what remains has halved.
func (m *run) heed(ctx workflow.Context, w migration.OplogWindow, needed int64) {
	s := &m.Window
	if w.Unreadable && !s.Unreadable {
		s.Unreadable = true
		m.warn(ctx, "the oplog window is not known: the user may not read local.oplog.rs on the source (docs/security.md); "+
			"look at rs.printReplicationInfo() there")
	}
	if w.RemainingSeconds >= 2*s.Warned {
		s.Warned = 0
	}
	if !w.Endangered(needed, s.Warned) {
		return
	}
	s.Warned = w.RemainingSeconds
	m.Status.Warnings = slices.DeleteFunc(m.Status.Warnings, func(text string) bool { return strings.HasPrefix(text, windowWarning) })
	m.warn(ctx, fmt.Sprintf("%sthe source's oplog reaches back %s and holds what this migration has still to read for about %s more, %s. "+
		"Enlarge it on each member of the source: replSetResizeOplog with size and minRetentionHours",
		windowWarning, seconds(w.Seconds), seconds(w.RemainingSeconds), m.against(needed)))
}

// against says what the window is compared with.
func (m *run) against(needed int64) string {
	switch {
	case m.Status.Paused:
		return "and the migration is paused: resume it in time"
	case m.Status.Phase == migration.Copying && needed == migration.Unknown:
		return "and how long copy and index builds take cannot be told"
	case m.Status.Phase == migration.Copying:
		return "while the rest of the copy takes about " + seconds(needed) + ", then come index builds and the catching up"
	case needed == migration.Unknown:
		return "and the source writes faster than changes are applied"
	default:
		return "while catching up takes about " + seconds(needed)
	}
}

// warn is a notice that stays in the list of warnings.
func (m *run) warn(ctx workflow.Context, text string) {
	m.Status.Warnings = append(m.Status.Warnings, text)
	m.notice(ctx, "%s", text)
}

func seconds(n int64) string { return (time.Duration(n) * time.Second).String() }
