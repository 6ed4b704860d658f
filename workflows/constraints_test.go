package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"mongoferry/activities"
	"mongoferry/internal/migration"
)

func failedIndex(name string) migration.UnsuccessfulIndex {
	return migration.UnsuccessfulIndex{Namespace: "a.b", IndexName: name, Type: "failed", Reason: "documents with equal keys"}
}

// listed are the names of the unsuccessful indexes in the status.
func (s *stage) listed() string {
	var names []string
	for _, i := range s.status().Cutover.UnsuccessfulIndexes {
		names = append(names, i.IndexName)
	}
	return strings.Join(names, " ")
}

// TestLooksArePaced: the first look comes with phase ready, the next ones in
// proportion to what a look costs.
func TestLooksArePaced(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ took, pause time.Duration }{
		"short":  {time.Millisecond, sliceTime}, // the slices of the stage are longer than a minute
		"longer": {90 * time.Second, 40 * time.Minute},
		"long":   {hour, hour},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			var at []time.Duration
			s.constraints = func(in activities.ConstraintsInput) (activities.ConstraintsResult, error) {
				at = append(at, s.Now().Sub(began))
				return activities.ConstraintsResult{Took: c.took, Epoch: in.From.Epoch}, nil
			}
			s.signalAt(readyAt+3*c.pause+time.Minute, migration.MessageCutover)
			s.play()
			s.ended(migration.Completed)
			var want []time.Duration
			for n := range 4 {
				want = append(want, readyAt+time.Duration(n)*c.pause)
			}
			if !slices.Equal(at, want) {
				t.Errorf("looked at %v, want %v", at, want)
			}
		})
	}
}

// TestNoLookWhileBehind: catching up comes first.
func TestNoLookWhileBehind(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.applyChanges = func(in activities.SliceInput) (activities.SliceResult, error) {
		if in.CatchUp || s.Now().After(began.Add(5*hour)) {
			return slice(in, 0), nil
		}
		return slice(in, 11), nil
	}
	s.signalAt(6*hour, migration.MessageCutover)
	s.play()
	s.ended(migration.Completed)
	if n := s.count("LookAtConstraints"); n < 2 || n > 4 {
		t.Errorf("%d looks", n)
	}
}

// TestFindingsComeAndGo: what a look finds stands in the status while it is there,
// with one notice for each time that it came; what it said goes into the next look,
// and the epoch that it took into the next slice.
func TestFindingsComeAndGo(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.constraints = func(in activities.ConstraintsInput) (activities.ConstraintsResult, error) {
		n := s.count("LookAtConstraints")
		result := activities.ConstraintsResult{Epoch: int64(n), Took: time.Second}
		result.Look.After = string(rune('a' + n))
		if n > 1 && in.Look.After != string(rune('a'+n-1)) {
			t.Errorf("look %d begins after %q", n, in.Look.After)
		}
		if n != 3 && n < 5 {
			result.Look.Violations = []migration.UnsuccessfulIndex{failedIndex("u")}
		}
		if n == 2 {
			building := failedIndex("new")
			building.Type = "incomplete"
			result.Building = []migration.UnsuccessfulIndex{building}
		}
		return result, nil
	}
	var refused []migration.UnsuccessfulIndex
	s.applyChanges = func(in activities.SliceInput) (activities.SliceResult, error) {
		if n := s.count("LookAtConstraints"); in.From.Epoch != int64(n) {
			t.Errorf("after look %d, a slice begins with epoch %d", n, in.From.Epoch)
		}
		result := slice(in, 0)
		result.Refused = refused
		return result, nil
	}
	want := []string{"u", "u new", "", "u", "geo"}
	for n, list := range want {
		s.at(readyAt+time.Duration(n)*sliceTime+time.Minute, func() {
			if got := s.listed(); got != list {
				t.Errorf("after look %d: %q, want %q", n+1, got, list)
			}
			if n == 3 {
				refused = []migration.UnsuccessfulIndex{failedIndex("geo")}
			}
		})
	}
	s.signalAt(readyAt+5*sliceTime+time.Minute, migration.MessageCutover)
	s.play()
	st := s.ended(migration.Completed)
	got := messagesOf(st)
	if len(got) != 3 || !strings.Contains(got[0], "index u of a.b: documents with equal keys") || !strings.Contains(got[1], "index u of") || !strings.Contains(got[2], "index geo of") {
		t.Errorf("notices: %q", got)
	}
}

// TestLookIsInterrupted: a message does not wait for a look, and the next slice
// knows that it may have been broken off.
func TestLookIsInterrupted(t *testing.T) {
	t.Parallel()
	for _, message := range []string{migration.MessageCutover, migration.MessagePause} {
		t.Run(message, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.constraints = func(in activities.ConstraintsInput) (activities.ConstraintsResult, error) {
				if s.count("LookAtConstraints") > 1 {
					return activities.ConstraintsResult{Epoch: in.From.Epoch}, nil
				}
				s.SignalWorkflow(message, nil)
				return activities.ConstraintsResult{}, temporal.NewCanceledError()
			}
			s.applyChanges = func(in activities.SliceInput) (activities.SliceResult, error) {
				to := slice(in, 0)
				to.Position.Epoch = 7
				return to, nil
			}
			s.cutOver = func(in activities.CutoverInput) (activities.CutoverResult, error) {
				if in.From.Epoch != 7 {
					t.Errorf("cut over from epoch %d", in.From.Epoch)
				}
				return activities.CutoverResult{Completed: true, Position: in.From}, nil
			}
			if message == migration.MessagePause {
				s.signalAt(readyAt+hour, migration.MessageResume)
				s.signalAt(readyAt+hour+time.Minute, migration.MessageCutover)
			}
			s.play()
			st := s.ended(migration.Completed)
			if len(st.Notices) > 0 {
				t.Errorf("notices: %q", messagesOf(st))
			}
			// After a pause, what was mended meanwhile is seen at once.
			if looks, want := s.count("LookAtConstraints"), map[string]int{migration.MessageCutover: 1, migration.MessagePause: 2}[message]; looks != want {
				t.Errorf("%d looks, want %d", looks, want)
			}
		})
	}
}

// TestFailingLook: a look that fails is told of once, and the sync goes on.
func TestFailingLook(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.constraints = func(activities.ConstraintsInput) (activities.ConstraintsResult, error) {
		return activities.ConstraintsResult{}, errors.New("out of luck")
	}
	s.signalAt(readyAt+3*hour, migration.MessageCutover)
	s.play()
	st := s.ended(migration.Completed)
	if got := messagesOf(st); len(got) != 1 || !strings.Contains(got[0], "out of luck") {
		t.Errorf("notices: %q", got)
	}
	if s.count("LookAtConstraints") < 6 {
		t.Errorf("%d looks", s.count("LookAtConstraints"))
	}
}

// TestMoreIndexesThanListed: however many indexes are unsuccessful, each is told of at
// most once, and not again with every slice and look.
func TestMoreIndexesThanListed(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	many := func(kind string) (all []migration.UnsuccessfulIndex) {
		for i := range migration.MaxListedIndexes {
			all = append(all, failedIndex(fmt.Sprint(kind, i)))
		}
		return all
	}
	s.constraints = func(in activities.ConstraintsInput) (activities.ConstraintsResult, error) {
		return activities.ConstraintsResult{Took: time.Millisecond, Epoch: in.From.Epoch, Look: activities.Look{Violations: many("violated")}}, nil
	}
	s.applyChanges = func(in activities.SliceInput) (activities.SliceResult, error) {
		result := slice(in, 0)
		result.Refused = many("refused")
		return result, nil
	}
	s.at(readyAt+10*sliceTime, func() {
		c := s.status().Cutover
		if len(c.UnsuccessfulIndexes) != migration.MaxListedIndexes || c.UnsuccessfulIndexesOmitted != migration.MaxListedIndexes {
			t.Errorf("%d indexes listed, %d counted", len(c.UnsuccessfulIndexes), c.UnsuccessfulIndexesOmitted)
		}
	})
	s.signalAt(readyAt+20*sliceTime, migration.MessageCutover)
	s.play()
	st := s.ended(migration.Completed)
	if told := len(messagesOf(st)); told > noticedIndexes+1 {
		t.Errorf("%d notices: %q", told, messagesOf(st))
	}
}
