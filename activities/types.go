package activities

import (
	"time"

	"mongoferry/internal/migration"
)

// Position is where the continuous sync stands. ResumeToken is raw BSON.
// Every update event up to SafeAfter may meet a document that is newer than the
// event; Epoch is that of the attempt that got just this far, 0 when it may have
// done more.
type Position struct {
	ResumeToken []byte           `json:"resumeToken"`
	OpTime      migration.OpTime `json:"opTime"`
	SafeAfter   migration.OpTime `json:"safeAfter"`
	Epoch       int64            `json:"epoch"`
}

// Checked is the result of Validate. SearchAttributes says whether this
// installation of Temporal knows ours.
type Checked struct {
	Validation       migration.Validation `json:"validation"`
	SearchAttributes bool                 `json:"searchAttributes"`
}

// Clear marks the result as safe to travel unsealed.
func (Checked) Clear() {}

// Plan is the result of Prepare: how much there is to copy, and the start point
// of the change stream.
type Plan struct {
	Start      Position `json:"start"`
	Units      int      `json:"units"`
	IndexUnits int      `json:"indexUnits"`
	Namespaces int64    `json:"namespaces"`
	Documents  int64    `json:"documents"`
	Bytes      int64    `json:"bytes"`
	Indexes    int64    `json:"indexes"`
}

// CopyInput names one unit of the copy plan. Resume is nil at its beginning.
type CopyInput struct {
	Spec   migration.Spec   `json:"spec"`
	Unit   int              `json:"unit"`
	After  migration.OpTime `json:"after"`
	Resume *CopyResume      `json:"resume,omitempty"`
	// Pace is this unit's: its max rate is a share.
	Pace migration.Pace `json:"pace"`
}

// CopyResume is how far a unit has been copied: parts before Part entirely,
// Part up to and including LastID, which is one raw BSON value behind its type
// byte; empty at the beginning of the part. Copied counts the whole unit so far,
// InPart what of it is of Part.
type CopyResume struct {
	Part      int              `json:"part"`
	LastID    []byte           `json:"lastID,omitempty"`
	Completed int64            `json:"completed"`
	Copied    migration.Copied `json:"copied"`
	InPart    migration.Copied `json:"inPart"`
}

// CopyResult is what became of a unit: Resume is nil when it is done. Copied
// counts the whole unit so far, Namespaces those finished in it.
type CopyResult struct {
	Resume     *CopyResume      `json:"resume,omitempty"`
	Copied     migration.Copied `json:"copied"`
	Namespaces int64            `json:"namespaces"`
}

// IndexInput names one bundle of collections whose indexes are built.
type IndexInput struct {
	Spec migration.Spec `json:"spec"`
	Unit int            `json:"unit"`
}

// IndexResult counts the indexes built and names those that could not be, as far as
// a list of them may grow: Omitted are more.
type IndexResult struct {
	Built        int64                         `json:"built"`
	Unsuccessful []migration.UnsuccessfulIndex `json:"unsuccessful,omitempty"`
	Omitted      int                           `json:"omitted,omitempty"`
}

// SliceInput asks for a bounded piece of continuous sync: until Duration has
// passed or, when CatchUp is set, until the lag is at most ReadyLag and the
// position has passed Past.
type SliceInput struct {
	Spec     migration.Spec   `json:"spec"`
	From     Position         `json:"from"`
	Duration time.Duration    `json:"duration"`
	CatchUp  bool             `json:"catchUp,omitempty"`
	Past     migration.OpTime `json:"past"`
	// Compatibility must not change meanwhile.
	Compatibility Compatibility  `json:"compatibility"`
	Pace          migration.Pace `json:"pace"`
}

// SliceResult is where the slice ended. Event counts are of this slice alone;
// Window is what the source's oplog means to the position, Refused are all indexes
// that the destination has refused so far, RefusedOmitted those beyond the list.
type SliceResult struct {
	Position    Position                      `json:"position"`
	Replication migration.ReplicationStatus   `json:"replication"`
	Window      migration.OplogWindow         `json:"window"`
	Refused     []migration.UnsuccessfulIndex `json:"refused,omitempty"`
	// RefusedOmitted is 0 unless the list is full.
	RefusedOmitted int `json:"refusedOmitted,omitempty"`
}

// ReadinessResult holds the reasons, each in a sentence, against a cutover now.
type ReadinessResult struct {
	Refusals []string `json:"refusals,omitempty"`
}

// CutoverInput asks for the cutover. Request counts the operator's cutovers, so
// that a second attempt of the same activity knows its own marker. With Settle,
// a cutover that nobody knows the end of is finished, or else backed out.
type CutoverInput struct {
	Spec    migration.Spec `json:"spec"`
	From    Position       `json:"from"`
	Request int            `json:"request"`
	Settle  bool           `json:"settle,omitempty"`
	// Compatibility is looked at once more, right before the fence.
	Compatibility Compatibility `json:"compatibility"`
}

// CutoverResult is either completed, with the destination open for writes, or
// backed out for a reason, with the source writable again. Event counts are of
// the cutover alone.
type CutoverResult struct {
	Completed        bool                        `json:"completed"`
	Reason           string                      `json:"reason,omitempty"`
	Position         Position                    `json:"position"`
	Replication      migration.ReplicationStatus `json:"replication"`
	StartedAt        time.Time                   `json:"startedAt"`
	FencedAt         time.Time                   `json:"fencedAt"`
	WritesAcceptedAt time.Time                   `json:"writesAcceptedAt"`
	SourceBlocked    bool                        `json:"sourceBlocked"`
}

// FinalizeResult names the indexes that are not as on the source.
type FinalizeResult struct {
	Unsuccessful []migration.UnsuccessfulIndex `json:"unsuccessful,omitempty"`
	Omitted      int                           `json:"omitted,omitempty"`
}

// CompensateInput names the migration to undo: Run tells it from others of the
// same id, as it does in Claim.
type CompensateInput struct {
	Spec migration.Spec `json:"spec"`
	Run  string         `json:"run"`
}

// Compensation is what Compensate found: with Opened, the destination was open
// for writes already, and the source stays as it is.
type Compensation struct {
	Opened           bool                          `json:"opened,omitempty"`
	WritesAcceptedAt time.Time                     `json:"writesAcceptedAt,omitzero"`
	Unsuccessful     []migration.UnsuccessfulIndex `json:"unsuccessful,omitempty"`
	Omitted          int                           `json:"omitted,omitempty"`
}
