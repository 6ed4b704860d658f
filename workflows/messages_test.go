package workflows

import (
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"

	"mongoferry/activities"
	"mongoferry/internal/migration"
)

// update sends a message and keeps its answer: a refusal, or the result.
func (s *stage) update(name string, answer *string, args ...any) {
	s.UpdateWorkflow(name, "", &testsuite.TestUpdateCallback{
		OnAccept: func() {},
		OnReject: func(err error) { *answer = "refused: " + err.Error() },
		OnComplete: func(result any, err error) {
			if err != nil {
				*answer = "failed: " + err.Error()
				return
			}
			*answer, _ = result.(string)
		},
	}, args...)
}

// TestRefusals sends each message when it cannot be obeyed, as an update and as a
// signal: the same reason comes back, and stands in the status.
func TestRefusals(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, message, want string
		at                  time.Duration
		arrange             func(*stage)
	}{
		{"cutover while copying", migration.MessageCutover, "the initial sync is running (phase copying)", time.Minute + time.Second, nil},
		{"cutover while catching up", migration.MessageCutover, "the initial sync is running (phase catching_up)", 5 * time.Minute, nil},
		{"cutover while paused", migration.MessageCutover, "the migration is paused", 2 * hour, func(s *stage) { s.signalAt(hour, migration.MessagePause) }},
		{"cutover while far behind", migration.MessageCutover, "the destination is 31 s behind the source: wait until it is at most 30 s", 2 * hour, func(s *stage) {
			s.applyChanges = func(in activities.SliceInput) (activities.SliceResult, error) {
				if in.CatchUp || s.Now().After(began.Add(3*hour)) {
					return slice(in, 0), nil
				}
				return slice(in, 31), nil
			}
		}},
		{"pause twice", migration.MessagePause, "paused already", 2 * hour, func(s *stage) { s.signalAt(hour, migration.MessagePause) }},
		{"resume when not paused", migration.MessageResume, "not paused", 2 * hour, nil},
		{"extend before ready", migration.MessageExtend, "the cutover timer starts when", time.Minute + time.Second, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			if c.arrange != nil {
				c.arrange(s)
			}
			var answer string
			s.at(c.at, func() { s.update(c.message, &answer) })
			s.signalAt(c.at+time.Second, c.message)
			s.signalAt(4*hour, migration.MessageResume) // refused unless paused
			s.signalAt(5*hour, migration.MessageCutover)
			s.play()
			st := s.ended(migration.Completed)
			if !strings.HasPrefix(answer, "refused: ") || !strings.Contains(answer, c.want) {
				t.Errorf("the update was answered %q", answer)
			}
			if len(st.Notices) == 0 || !strings.Contains(st.Notices[0].Message, c.message+" refused: ") || !strings.Contains(st.Notices[0].Message, c.want) {
				t.Errorf("notices: %q", messagesOf(st))
			}
			if s.count("CutOver") != 1 {
				t.Errorf("%d cutovers", s.count("CutOver"))
			}
		})
	}
}

// TestLateUpdate: what its sender no longer waits for is not obeyed.
func TestLateUpdate(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	var early, late string
	s.at(2*hour, func() {
		s.update(migration.MessageCutover, &late, migration.Request{NotAfter: began.Add(hour)})
		s.update(migration.MessageExtend, &early, migration.Request{NotAfter: began.Add(3 * hour)})
	})
	s.signalAt(5*hour, migration.MessageCutover)
	s.play()
	st := s.ended(migration.Completed)
	if !strings.HasPrefix(late, "refused: ") || !strings.Contains(late, "it came too late") || st.Cutover.Extensions != 1 {
		t.Errorf("answers %q, %q", early, late)
	}
}

// TestCutoverAnswers: the sender learns what a look at the clusters has found.
func TestCutoverAnswers(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	building := true
	s.readiness = func() (activities.ReadinessResult, error) {
		if building {
			return activities.ReadinessResult{Refusals: []string{"an index of a.b is being built on the source: wait for it"}}, nil
		}
		return activities.ReadinessResult{}, nil
	}
	var first, second string
	s.at(2*hour, func() { s.update(migration.MessageCutover, &first) })
	s.at(3*hour, func() { building = false; s.update(migration.MessageCutover, &second) })
	s.play()
	st := s.ended(migration.Completed)
	if !strings.Contains(first, "failed: ") || !strings.Contains(first, "an index of a.b is being built") || second != "cutover begun" {
		t.Errorf("answers %q, %q", first, second)
	}
	if len(st.Notices) != 1 {
		t.Errorf("notices %q", messagesOf(st))
	}
}

// TestBackedOut: the migration is ready again, and can be cut over again.
func TestBackedOut(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.cutOver = func(in activities.CutoverInput) (activities.CutoverResult, error) {
		return activities.CutoverResult{Completed: in.Request == 2, Reason: "a write came", Position: in.From}, nil
	}
	s.signalAt(2*hour, migration.MessageCutover)
	s.at(3*hour, func() {
		if st := s.status(); st.Phase != migration.Ready || !st.Cutover.Allowed {
			t.Errorf("after a back-out: %+v", st)
		}
	})
	s.signalAt(4*hour, migration.MessageCutover)
	s.play()
	st := s.ended(migration.Completed)
	if got := messagesOf(st); len(got) != 1 || !strings.Contains(got[0], "cutover backed out, the source accepts writes: a write came") {
		t.Errorf("notices %q", got)
	}
}

// TestPause stops the copy in the middle and takes it up where it was.
func TestPause(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.signalAt(30*time.Second, migration.MessagePause)
	s.at(hour, func() {
		if st := s.status(); st.Phase != migration.Copying || !st.Paused {
			t.Errorf("%+v", st)
		}
	})
	s.signalAt(2*hour, migration.MessageResume)
	s.signalAt(5*hour, migration.MessageCutover)
	s.play()
	st := s.ended(migration.Completed)
	if st.Copy.Documents.Copied != 60 || st.Copy.NamespacesCompleted != 6 {
		t.Errorf("copy: %+v", st.Copy)
	}
}
