package migration

// The messages a running migration understands, each as a signal and as an
// update of the same name, and the query it answers.
const (
	MessageCutover = "cutover"
	MessageExtend  = "extend"
	MessagePause   = "pause"
	MessageResume  = "resume"
	QueryStatus    = "status"
	// MemoStatus is the memo field that holds the status document as of the
	// last phase change or minute, for when no worker is alive.
	MemoStatus = "status"
)

// Gate says whether this process may still write to the destination. A nil
// error means yes; otherwise the error is a Fault of kind LeaseLost.
type Gate interface {
	Check() error
}
