package workflows

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"

	"mongoferry/activities"
	"mongoferry/internal/migration"
)

// readyAt is when the stage's migration is ready: six units, four at a time, one
// slice.
const readyAt = 2*time.Minute + sliceTime

func TestTimer(t *testing.T) {
	t.Parallel()
	const window, extension = migration.DefaultCutoverWindow, migration.DefaultExtension
	cases := []struct {
		name    string
		arrange func(*stage)
		// ends is when the window ends, reminded when the reminders go out, after
		// the start.
		ends     time.Duration
		reminded []time.Duration
	}{
		{"120 hours", func(*stage) {}, readyAt + window, []time.Duration{window - 24*hour, window - hour}},
		{"extended once", func(s *stage) { s.signalAt(5*hour, migration.MessageExtend) },
			readyAt + window + extension, []time.Duration{window, window + 23*hour}},
		{"extended three times at the end", func(s *stage) {
			for range 3 {
				s.signalAt(readyAt+window-time.Minute, migration.MessageExtend)
			}
		}, readyAt + window + 3*extension, []time.Duration{window - 24*hour, window - hour, window + 2*extension, window + 3*extension - hour}},
		{"paused", func(s *stage) { s.signalAt(5*hour, migration.MessagePause) },
			readyAt + window, []time.Duration{window - 24*hour, window - hour}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			c.arrange(s)
			s.play()
			st := s.ended(migration.Expired)
			if err := s.GetWorkflowError(); err != nil {
				t.Errorf("an expired migration completes: %v", err)
			}
			if got := s.Now().Sub(began); got < c.ends || got > c.ends+time.Second {
				t.Errorf("ended after %s, want %s", got, c.ends)
			}
			var want []string
			for _, at := range c.reminded {
				want = append(want, stamp(began.Add(readyAt+at))+" the cutover window ends in")
			}
			want = append(want, stamp(began.Add(c.ends))+" the cutover window has ended")
			if got := messagesOf(st); !slices.EqualFunc(got, want, strings.HasPrefix) {
				t.Errorf("notices %q, want %q", got, want)
			}
			if s.count("Compensate") != 1 || s.count("CutOver") != 0 || st.Cutover.Deadline != stamp(began.Add(c.ends)) {
				t.Errorf("%v, %+v", s.order(), st.Cutover)
			}
		})
	}
}

// TestTimerWhileCuttingOver: it does not run out then; when the cutover is backed
// out after the end of the window, the migration expires.
func TestTimerWhileCuttingOver(t *testing.T) {
	t.Parallel()
	for _, completed := range []bool{true, false} {
		s := newStage(t)
		s.signalAt(readyAt+migration.DefaultCutoverWindow-500*time.Millisecond, migration.MessageCutover)
		s.cutOver = func(in activities.CutoverInput) (activities.CutoverResult, error) {
			if s.Now().Before(began.Add(readyAt + migration.DefaultCutoverWindow)) {
				t.Error("the cutover was over too soon for this test")
			}
			return activities.CutoverResult{Completed: completed, Position: in.From, Reason: "a write came"}, nil
		}
		s.play()
		want := migration.Expired
		if completed {
			want = migration.Completed
		}
		s.ended(want)
	}
}

// TestExtendRefused: there is nothing to extend before ready.
func TestExtendRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.at(time.Minute, func() {
		s.UpdateWorkflow(migration.MessageExtend, "", &testsuite.TestUpdateCallback{
			OnReject: func(err error) {
				if !strings.Contains(err.Error(), "the cutover timer starts when phase ready is first reached; the phase is copying") {
					t.Error(err)
				}
			},
			OnAccept:   func() { t.Error("it was accepted") },
			OnComplete: func(any, error) {},
		})
	})
	s.signalAt(2*hour, migration.MessageCutover)
	s.play()
	if st := s.ended(migration.Completed); st.Cutover.Extensions != 0 {
		t.Errorf("%+v", st.Cutover)
	}
}

// TestDeadlineWhileACutoverWaits: the window ends between the wish and the
// cutover; what the cutover comes to decides.
func TestDeadlineWhileACutoverWaits(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	tries := 0
	s.readiness = func() (activities.ReadinessResult, error) {
		if tries++; tries < 3 {
			return activities.ReadinessResult{}, errors.New("the source is away")
		}
		return activities.ReadinessResult{}, nil
	}
	s.signalAt(readyAt+migration.DefaultCutoverWindow-500*time.Millisecond, migration.MessageCutover)
	s.play()
	s.ended(migration.Completed)
	if tries != 3 || s.Now().Before(began.Add(readyAt+migration.DefaultCutoverWindow)) {
		t.Errorf("%d looks, at %s", tries, s.Now())
	}
}
