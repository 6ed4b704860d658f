package workflows

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"mongoferry/activities"
	"mongoferry/internal/migration"
)

func low(rate migration.Rate) migration.Pace {
	return migration.Pace{Load: migration.LoadLow, MaxRate: rate}
}

// tuneAt sends a tune as a signal.
func (s *stage) tuneAt(after time.Duration, wish any) {
	s.at(after, func() { s.SignalWorkflow(migration.MessageTune, wish) })
}

// TestTune changes the pace in one phase after the other: it shows in the status,
// and whatever is begun from then on has it.
func TestTune(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		at   time.Duration
		// copied and applied are the first unit and slice that must have it.
		copied, applied int
	}{
		{"before the copy", 0, 1, 1},
		{"while copying", 30 * time.Second, 5, 1},
		{"while catching up", 5 * time.Minute, 99, 2},
		{"in ready", hour, 99, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			want := low(migration.Rate{Documents: 8})
			var copied, applied []migration.Pace
			s.copyUnit = func(in activities.CopyInput) (activities.CopyResult, error) {
				copied = append(copied, in.Pace)
				return activities.CopyResult{Copied: migration.Copied{Documents: 10, Bytes: 100}, Namespaces: 1}, nil
			}
			s.applyChanges = func(in activities.SliceInput) (activities.SliceResult, error) {
				applied = append(applied, in.Pace)
				return slice(in, 0), nil
			}
			s.tuneAt(c.at, migration.Tuning{Load: "low", MaxRate: "8docs/s"})
			s.at(c.at+time.Second, func() {
				if got := s.status().Pace; got != want {
					t.Errorf("the pace is %s", got)
				}
			})
			s.signalAt(5*hour, migration.MessageCutover)
			s.play()
			st := s.ended(migration.Completed)
			if st.Copy.Documents.Copied != 60 || st.Copy.NamespacesCompleted != 6 || len(st.Notices) > 0 {
				t.Errorf("copy %+v, notices %q", st.Copy, messagesOf(st))
			}
			for i, got := range copied {
				if now := i+1 >= c.copied; now && got != want || !now && got != (migration.Pace{Load: migration.LoadNormal}) {
					t.Errorf("unit %d of %d was begun with %s", i+1, len(copied), got)
				}
			}
			for i, got := range applied {
				if i+1 >= c.applied && got != want {
					t.Errorf("slice %d was begun with %s", i+1, got)
				}
			}
		})
	}
}

// TestTuneWhilePaused: nothing begins, and what begins later has the pace.
func TestTuneWhilePaused(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	var last migration.Pace
	s.copyUnit = func(in activities.CopyInput) (activities.CopyResult, error) {
		last = in.Pace
		return activities.CopyResult{Copied: migration.Copied{Documents: 10, Bytes: 100}, Namespaces: 1}, nil
	}
	s.signalAt(30*time.Second, migration.MessagePause)
	begun := 0
	var answer string
	s.at(hour, func() {
		begun = s.count("CopyUnit")
		s.update(migration.MessageTune, &answer, migration.Request{Tuning: migration.Tuning{MaxRate: "3MB/s"}})
	})
	s.at(2*hour, func() {
		if st := s.status(); !st.Paused || st.Pace.MaxRate.Bytes != 3e6 || s.count("CopyUnit") != begun {
			t.Errorf("%+v, %d units begun, then %d", st.Pace, begun, s.count("CopyUnit"))
		}
	})
	s.signalAt(3*hour, migration.MessageResume)
	s.signalAt(9*hour, migration.MessageCutover)
	s.play()
	st := s.ended(migration.Completed)
	if answer != "load normal, max rate 3MB/s" || last.MaxRate.Bytes == 0 || st.Copy.Documents.Copied != 60 {
		t.Errorf("answer %q, last unit at %s, copy %+v", answer, last, st.Copy)
	}
}

// TestTuneRefused: a wrong wish changes nothing, and its sender hears what is allowed.
func TestTuneRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want string
		wish       any
	}{
		{"nothing", "it says nothing: want load (low, normal, high)", nil},
		{"empty", "it says nothing", struct{}{}},
		{"load", `load "slow": want low, normal or high`, migration.Tuning{Load: "slow", MaxRate: "1MB/s"}},
		{"rate", "like 5000docs/s or 20MB/s", migration.Tuning{MaxRate: "5000"}},
		{"unknown key", `unknown field "max-rate"`, map[string]string{"load": "low", "max-rate": "1MB/s"}},
		{"no object", `want an object like {"load":"low"`, "low"},
		{"a number", "it cannot be read", map[string]int{"maxRate": 5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.tuneAt(hour, c.wish)
			s.signalAt(2*hour, migration.MessageCutover)
			s.play()
			st := s.ended(migration.Completed)
			if len(st.Notices) != 1 || !strings.Contains(st.Notices[0].Message, "tune refused: ") || !strings.Contains(st.Notices[0].Message, c.want) {
				t.Errorf("notices %q, want %q", messagesOf(st), c.want)
			}
			if st.Pace != (migration.Pace{Load: migration.LoadNormal}) {
				t.Errorf("the pace is %s", st.Pace)
			}
		})
	}
}

// TestTuneUpdateRefused: the validator refuses as well.
func TestTuneUpdateRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	var answer string
	s.at(hour, func() {
		s.update(migration.MessageTune, &answer, migration.Request{Tuning: migration.Tuning{Load: "slow"}})
	})
	s.signalAt(2*hour, migration.MessageCutover)
	s.play()
	if st := s.ended(migration.Completed); !strings.HasPrefix(answer, `refused: load "slow": want low, normal or high`) || len(st.Notices) > 0 {
		t.Errorf("answer %q, notices %q", answer, messagesOf(st))
	}
}

// TestWidth: as many units are under way as the load wants, at every moment, and
// index builds are not interrupted by a tune.
func TestWidth(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.plan = func() activities.Plan {
		return activities.Plan{Start: activities.Position{ResumeToken: []byte{1}, OpTime: migration.OpTime{T: 100}}, Units: 40, IndexUnits: 2}
	}
	ended := map[time.Time]int{} // a minute after they began
	s.copyUnit = func(activities.CopyInput) (activities.CopyResult, error) {
		ended[s.Now()]++
		return activities.CopyResult{}, nil
	}
	s.tuneAt(30*time.Second, migration.Tuning{Load: "low"})
	s.tuneAt(5*time.Minute, migration.Tuning{Load: "high"})
	s.signalAt(5*hour, migration.MessageCutover)
	s.play()
	s.ended(migration.Completed)
	for at, n := range ended {
		want := 8
		if after := at.Sub(began); after <= time.Minute {
			want = 4
		} else if after < 6*time.Minute {
			want = 1
		}
		if n > want {
			t.Errorf("%d units ended after %s, want at most %d", n, at.Sub(began), want)
		}
	}
	if s.count("BuildIndexes") != 2 {
		t.Errorf("%d builds", s.count("BuildIndexes"))
	}
}

// TestMaxRateIsDivided: the shares of what is under way are together the max rate,
// also when fewer units are left than may be under way.
func TestMaxRateIsDivided(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	shares := map[int64]int{}
	var last int64
	s.copyUnit = func(in activities.CopyInput) (activities.CopyResult, error) {
		last = in.Pace.MaxRate.Documents
		shares[last]++
		if in.Unit == 5 && last < 12 { // it takes longer than all others
			return activities.CopyResult{Resume: &activities.CopyResume{}}, nil
		}
		return activities.CopyResult{Copied: migration.Copied{Documents: 10, Bytes: 100}, Namespaces: 1}, nil
	}
	s.tuneAt(0, migration.Tuning{MaxRate: "12docs/s"})
	s.signalAt(5*hour, migration.MessageCutover)
	s.play()
	st := s.ended(migration.Completed)
	if last != 12 || shares[3] < 4 || st.Copy.Documents.Copied != 60 {
		t.Errorf("shares %v, the last %d, copy %+v", shares, last, st.Copy)
	}
}

// TestPaceContinuesAsNew: the pace of now goes along, not the first one.
func TestPaceContinuesAsNew(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.tuneAt(time.Second, migration.Tuning{Load: "low", MaxRate: "10MB/s"})
	s.at(90*time.Second, func() { s.SetContinueAsNewSuggested(true) })
	in := Input{Spec: spec()}
	in.Spec.Pace = migration.Pace{Load: migration.LoadHigh}
	s.ExecuteWorkflow(Migrate, in)
	var next *workflow.ContinueAsNewError
	if !errors.As(s.GetWorkflowError(), &next) {
		t.Fatal(s.GetWorkflowError())
	}
	if err := converter.GetDefaultDataConverter().FromPayloads(next.Input, &in); err != nil {
		t.Fatal(err)
	}
	if want := low(migration.Rate{Bytes: 10e6}); in.State.Status.Pace != want {
		t.Errorf("the pace is %s", in.State.Status.Pace)
	}
	in.State.Status.Pace = migration.Pace{} // as a run of before there was one
	s = newStage(t)
	s.at(time.Second, func() {
		if got := s.status().Pace; got.Load != migration.LoadNormal {
			t.Errorf("the pace is %s", got)
		}
	})
	s.signalAt(5*hour, migration.MessageCutover)
	s.ExecuteWorkflow(Migrate, in)
	s.ended(migration.Completed)
}
