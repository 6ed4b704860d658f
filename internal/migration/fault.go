package migration

import "errors"

// FaultKind classifies an error that somebody acts on: the activities turn it
// into the type of a Temporal application error, the starter into advice.
type FaultKind string

// The kinds. Terminal ones are never retried: repeating cannot help.
const (
	// PreflightFailed: a blocking check did not pass.
	PreflightFailed FaultKind = "PreflightFailed"
	// DestinationClaimed: another migration owns the destination.
	DestinationClaimed FaultKind = "DestinationClaimed"
	// HistoryLost: the source's oplog no longer reaches back to the position
	// of the change stream.
	HistoryLost FaultKind = "ChangeStreamHistoryLost"
	// Unsupported: the source holds or did something that cannot be migrated.
	Unsupported FaultKind = "Unsupported"
	// UnexpectedChange: a change event that this version does not know.
	UnexpectedChange FaultKind = "UnexpectedChange"
	// WriteRefused: the destination refused a write in a way that repeating
	// does not mend.
	WriteRefused FaultKind = "WriteRefused"
	// CompatibilityChanged: the feature compatibility version of one side is no
	// longer what it was when the migration began.
	CompatibilityChanged FaultKind = "FeatureCompatibilityVersionChanged"
	// Superseded: a later attempt has taken over; this one must stop. It is
	// not terminal for the migration, only for the attempt.
	Superseded FaultKind = "Superseded"
	// LeaseLost: the last acknowledged heartbeat is too old to write.
	LeaseLost FaultKind = "LeaseLost"
	// BadConfiguration: what the operator gave cannot work as it is, at least on
	// this worker.
	BadConfiguration FaultKind = "BadConfiguration"
	// AccessDenied: authentication failed or a right is missing. A password that
	// was changed must not end a migration of days: it is waited for, by name.
	AccessDenied FaultKind = "AccessDenied"
)

// Terminal says whether repeating the step cannot help.
func (k FaultKind) Terminal() bool {
	switch k {
	case PreflightFailed, DestinationClaimed, HistoryLost, Unsupported, UnexpectedChange, WriteRefused, CompatibilityChanged:
		return true
	default:
		return false
	}
}

// Fault is an error with a kind. Message says what is wrong, where, and what to
// do; Err is the cause, if any.
type Fault struct {
	Kind    FaultKind
	Message string
	Err     error
}

// NewFault makes a fault without a cause.
func NewFault(kind FaultKind, message string) *Fault {
	return &Fault{Kind: kind, Message: message}
}

// Error is the message, then the cause, without passwords.
func (f *Fault) Error() string {
	if f.Err == nil {
		return Redact(f.Message)
	}
	return Redact(f.Message + ": " + f.Err.Error())
}

// Unwrap gives the cause.
func (f *Fault) Unwrap() error { return f.Err }

// KindOf gives the kind of the first Fault in a chain of errors, or "".
func KindOf(err error) FaultKind {
	var f *Fault
	if errors.As(err, &f) {
		return f.Kind
	}
	return ""
}
