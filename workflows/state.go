package workflows

import (
	"time"

	"mongoferry/activities"
	"mongoferry/internal/migration"
)

// Input starts a migration, or continues it as new when State is set.
type Input struct {
	Spec  migration.Spec `json:"spec"`
	State *State         `json:"state,omitempty"`
}

// State is everything the workflow remembers across continue-as-new. The status
// document is part of it; the rest is what the status does not show.
type State struct {
	Status migration.Status `json:"status"`
	Plan   activities.Plan  `json:"plan"`
	Copy   CopyState        `json:"copy"`
	// Position is where the continuous sync stands; CopyEnd is the source's
	// optime when the copy ended: the initial sync is completed beyond it.
	Position activities.Position `json:"position"`
	CopyEnd  migration.OpTime    `json:"copyEnd"`
	Window   WindowState         `json:"window"`
	Timer    TimerState          `json:"timer"`
	Look     LookState           `json:"look"`
	// Request counts the cutovers that were begun.
	Request          int       `json:"request"`
	SearchAttributes bool      `json:"searchAttributes"`
	MemoAt           time.Time `json:"memoAt"`
	// Claimed says that the destination may carry our marker.
	Claimed bool `json:"claimed"`
}

// CopyState is how far the copy is: units below NextUnit have been handed out,
// those in Interrupted must be taken up again where they stopped. Index bundles
// likewise. Unsuccessful is bounded, Omitted counts the rest. Took is for how long it has been copied, pauses left out.
type CopyState struct {
	NextUnit         int                           `json:"nextUnit"`
	Interrupted      []Interrupted                 `json:"interrupted,omitempty"`
	NextIndexUnit    int                           `json:"nextIndexUnit"`
	InterruptedIndex []int                         `json:"interruptedIndex,omitempty"`
	Unsuccessful     []migration.UnsuccessfulIndex `json:"unsuccessful,omitempty"`
	Omitted          int                           `json:"omitted,omitempty"`
	Took             time.Duration                 `json:"took,omitempty"`
}

// Interrupted is a unit of the copy plan that was stopped on the way.
type Interrupted struct {
	Unit   int                    `json:"unit"`
	Resume *activities.CopyResume `json:"resume,omitempty"`
}

// TimerState is the cutover timer. Reminded counts the reminders sent for this
// deadline.
type TimerState struct {
	Deadline time.Time `json:"deadline"`
	Reminded int       `json:"reminded"`
	Expired  bool      `json:"expired"`
}

// newState is a migration before its first step.
func newState(spec migration.Spec, now time.Time) *State {
	return &State{Status: migration.Status{
		ID: spec.ID, Phase: migration.Validating, Pace: spec.Pace,
		Notices: []migration.Notice{}, Warnings: []string{},
		Source:       migration.ClusterStatus{URI: spec.Source.Address().Hosts()},
		Destination:  migration.ClusterStatus{URI: spec.Destination.Address().Hosts()},
		StartedAt:    stamp(now),
		Verification: migration.VerificationStatus{State: "off", Samples: []string{}},
		Cutover: migration.CutoverStatus{
			Reasons: []string{}, UnsuccessfulIndexes: []migration.UnsuccessfulIndex{},
		},
	}}
}

// stamp prints a time for the status document; the zero time is "".
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
