package migration

// OplogWindow is what the source's oplog means to a position of the migration.
// The zero value means that nothing is known of it.
type OplogWindow struct {
	// Seconds is how far the oplog reaches back, FullSeconds how far it will once
	// it is full, RemainingSeconds how long it will hold the position.
	Seconds          int64 `json:"seconds"`
	FullSeconds      int64 `json:"fullSeconds"`
	RemainingSeconds int64 `json:"remainingSeconds"`
	// Young says that the oplog has only begun to fill: what it holds tells no rate.
	Young bool `json:"young,omitempty"`
	// Unreadable says that the user may not look at the oplog.
	Unreadable bool `json:"unreadable,omitempty"`
}

// Unknown is for a number of seconds that nobody can tell.
const Unknown = -1

// anHour is less than what an operator needs to do something.
const anHour = 3600

// limit is when the rest of the window becomes a danger: twice what is needed,
// or, while that is not known, an hour or half of the window.
func (w OplogWindow) limit(needed int64) int64 {
	if needed == Unknown {
		return max(anHour, w.FullSeconds/2)
	}
	return 2 * needed
}

// Endangered says whether the operator must be warned that a position may be lost
// that is needed for so many seconds more; Unknown when nobody can tell. warned is
// what remained at the last warning, 0 for none: the next one comes at half of it.
func (w OplogWindow) Endangered(needed, warned int64) bool {
	if w.RemainingSeconds == 0 || w.Young {
		return false
	}
	limit := w.limit(needed)
	if warned > 0 {
		limit = min(limit, warned/2+1)
	}
	return w.RemainingSeconds < limit
}

// CatchUpSeconds is how long the rest takes at a speed, in seconds of the
// source's time per second: 0 when there is no lag, Unknown when it never ends.
func CatchUpSeconds(lag int64, speed float64) int64 {
	switch {
	case lag == 0:
		return 0
	case speed <= 1:
		return Unknown
	default:
		return int64(float64(lag)/(speed-1)) + 1
	}
}
