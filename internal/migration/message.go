package migration

import (
	"bytes"
	"encoding/json"
	"time"
)

// The messages a running migration understands, each as a signal and as an
// update of the same name, and the query it answers.
const (
	MessageCutover = "cutover"
	MessageExtend  = "extend"
	MessagePause   = "pause"
	MessageResume  = "resume"
	MessageTune    = "tune"
	QueryStatus    = "status"
	// MemoStatus is the memo field that holds the status document as of the
	// last phase change or minute, for when no worker is alive.
	MemoStatus = "status"
)

// Request comes with a message that is sent as an update. A sender that does not
// wait for ever says when its wish has lost its sense: what the operator believes
// not to have been delivered must not happen an hour later. The zero time is none.
// The tuning is that of a tune, which brings one as a signal too.
type Request struct {
	NotAfter time.Time `json:"notAfter,omitzero"`
	Tuning
}

// UnmarshalJSON refuses keys that are not known: somebody may have typed them, and
// believes that they hold.
func (r *Request) UnmarshalJSON(data []byte) error {
	type plain Request
	return DecodeKnown(data, (*plain)(r))
}

// DecodeKnown reads JSON of which every key must be known.
func DecodeKnown(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// Clear marks the request as safe to travel unsealed.
func (Request) Clear() {}

// Gate says whether this process may still write to the destination. A nil
// error means yes; otherwise the error is a Fault of kind LeaseLost.
type Gate interface {
	Check() error
}
