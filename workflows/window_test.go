package workflows

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"mongoferry/activities"
	"mongoferry/internal/migration"
)

// seen is a look at a full oplog of two days that holds the position so long.
func seen(remaining int64) activities.WatchResult {
	return activities.WatchResult{Window: migration.OplogWindow{Seconds: 172_800, FullSeconds: 172_800, RemainingSeconds: remaining}}
}

// slowly makes the copy long: each unit is 1 of 1000 bytes.
func slowly(s *stage) {
	s.copyUnit = func(activities.CopyInput) (activities.CopyResult, error) {
		return activities.CopyResult{Copied: migration.Copied{Documents: 10, Bytes: 1}, Namespaces: 1}, nil
	}
}

// TestWindowWarning: until a unit has been copied nothing can be compared, then the
// window is compared with what is left; the operator is told once, and again at half of it.
func TestWindowWarning(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	slowly(s)
	var asked []activities.WatchInput
	remaining := []int64{100_000, 100_000, 20_000, 19_000, 9_000}
	s.watch = func(in activities.WatchInput) (activities.WatchResult, error) {
		asked = append(asked, in)
		return seen(remaining[min(len(asked), len(remaining))-1]), nil
	}
	s.at(210*time.Second, s.CancelWorkflow)
	plan := s.plan
	s.plan = func() activities.Plan { p := plan(); p.Units = 600; p.Bytes = 1000; return p }
	s.play()
	st := s.ended(migration.Canceled)
	notices := messagesOf(st)
	if len(notices) != 2 || !strings.Contains(notices[0], "about 5h33m20s more") || !strings.Contains(notices[0], "the rest of the copy takes about") ||
		!strings.Contains(notices[1], "about 2h30m0s more") || !strings.Contains(notices[1], "replSetResizeOplog") {
		t.Errorf("notices %q", notices)
	}
	if len(st.Warnings) != 1 || !strings.Contains(st.Warnings[0], "2h30m0s") {
		t.Errorf("warnings %q", st.Warnings)
	}
	if st.Replication.OplogWindowSeconds != 172_800 || st.Replication.OplogRemainingSeconds != 9_000 {
		t.Errorf("%+v", st.Replication)
	}
	if len(asked) < 5 || asked[0].Needed != migration.Unknown || asked[3].Needed <= 0 || asked[3].Warned != 20_000 || asked[4].Warned != 20_000 {
		t.Errorf("asked %+v", asked)
	}
}

// TestWindowIsUnknown is told once.
func TestWindowIsUnknown(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	looks := 0
	s.watch = func(in activities.WatchInput) (activities.WatchResult, error) {
		if looks++; in.Unreadable != (looks > 1) {
			t.Errorf("look %d: %+v", looks, in)
		}
		return activities.WatchResult{Window: migration.OplogWindow{Unreadable: true}}, nil
	}
	s.applyChanges = func(in activities.SliceInput) (activities.SliceResult, error) {
		result := slice(in, 0)
		result.Window.Unreadable = true
		return result, nil
	}
	s.signalAt(2*hour, migration.MessageCutover)
	s.play()
	st := s.ended(migration.Completed)
	if got := messagesOf(st); len(got) != 1 || len(st.Warnings) != 1 || !strings.Contains(got[0], "the user may not read local.oplog.rs") || looks < 2 {
		t.Errorf("%d looks, notices %q, warnings %q", looks, got, st.Warnings)
	}
}

// TestHistoryLostBeforeItIsRead: what the watch finds ends the migration at once,
// in the middle of the copy and while paused.
func TestHistoryLostBeforeItIsRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		arrange func(*stage)
		before  time.Duration
		applied bool
		units   int // that came to an end
	}{
		"copying":            {func(*stage) {}, 2 * time.Minute, false, 0},
		"paused while ready": {func(s *stage) { s.signalAt(2*hour, migration.MessagePause) }, 3 * hour, true, 6},
	} {
		for _, kind := range []migration.FaultKind{migration.HistoryLost, migration.CompatibilityChanged} {
			t.Run(name+" "+string(kind), func(t *testing.T) {
				t.Parallel()
				s := newStage(t)
				c.arrange(s)
				s.watch = func(in activities.WatchInput) (activities.WatchResult, error) {
					if (in.Duration == watchLengthPaused) == c.applied {
						return activities.WatchResult{}, failing(kind)
					}
					return activities.WatchResult{}, nil
				}
				s.play()
				st := s.ended(migration.Failed)
				var app *temporal.ApplicationError
				if !errors.As(s.GetWorkflowError(), &app) || app.Type() != string(kind) || st.Error != "what was wrong" {
					t.Errorf("%v, %q", s.GetWorkflowError(), st.Error)
				}
				if n := s.count("CopyUnit"); n != c.units || s.count("Compensate") != 1 || (s.count("ApplyChanges") > 0) != c.applied {
					t.Errorf("%d units, %v", n, s.order())
				}
				if took := s.Now().Sub(began); took > c.before {
					t.Errorf("it took %s", took)
				}
			})
		}
	}
}

// TestWatchEnds: it is cancelled with the copy, and with a cancelled migration; no
// look is taken while changes are applied.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(*stage)
		want migration.Phase
	}{
		"copied":   {func(s *stage) { s.signalAt(2*hour, migration.MessageCutover) }, migration.Completed},
		"canceled": {func(s *stage) { s.at(50*time.Second, s.CancelWorkflow) }, migration.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			canceled, looks := 0, 0
			s.SetOnActivityCanceledListener(func(info *activity.Info) {
				if info.ActivityType.Name == "WatchOplog" {
					canceled++
				}
			})
			s.watch = func(activities.WatchInput) (activities.WatchResult, error) {
				if looks++; s.count("ApplyChanges") > 0 {
					t.Error("a look while changes are applied")
				}
				return activities.WatchResult{}, nil
			}
			c.end(s)
			s.play()
			s.ended(c.want)
			if canceled == 0 || looks == 0 {
				t.Errorf("canceled %d of %d watches", canceled, looks)
			}
		})
	}
}

// TestCatchUpWarning: changes that are applied slower than they come.
func TestCatchUpWarning(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	slices := 0
	s.applyChanges = func(in activities.SliceInput) (activities.SliceResult, error) {
		slices++
		result := slice(in, 5000)
		if slices > 3 {
			return slice(in, 0), nil
		}
		result.Replication.ETASeconds = migration.Unknown
		result.Window = seen(80_000).Window
		result.Replication.SetWindow(result.Window)
		return result, nil
	}
	s.signalAt(4*hour, migration.MessageCutover)
	s.play()
	st := s.ended(migration.Completed)
	if got := messagesOf(st); len(got) != 1 || !strings.Contains(got[0], "the source writes faster than changes are applied") {
		t.Errorf("notices %q", got)
	}
}
