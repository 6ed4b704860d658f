package migration

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// OpTime is a MongoDB cluster time: T is seconds since the Unix epoch, I counts
// operations within that second. The zero value means "not known".
type OpTime struct {
	T uint32 `json:"t" bson:"t"`
	I uint32 `json:"i" bson:"i"`
}

// OpTimeOf converts a BSON timestamp.
func OpTimeOf(ts bson.Timestamp) OpTime { return OpTime{T: ts.T, I: ts.I} }

// Timestamp converts to the BSON type that commands take.
func (o OpTime) Timestamp() bson.Timestamp { return bson.Timestamp{T: o.T, I: o.I} }

// IsZero says whether the time is not known.
func (o OpTime) IsZero() bool { return o == OpTime{} }

// Compare is negative when o is before p, zero when equal, positive after.
func (o OpTime) Compare(p OpTime) int {
	switch {
	case o.T != p.T && o.T < p.T, o.T == p.T && o.I < p.I:
		return -1
	case o == p:
		return 0
	default:
		return 1
	}
}

// Before says whether o is strictly before p.
func (o OpTime) Before(p OpTime) bool { return o.Compare(p) < 0 }

// After says whether o is strictly after p.
func (o OpTime) After(p OpTime) bool { return o.Compare(p) > 0 }

// LagSeconds is how many seconds o is behind p: 0 when equal or ahead, and at
// least 1 when behind within the same second.
func (o OpTime) LagSeconds(p OpTime) int64 {
	if !o.Before(p) {
		return 0
	}
	return max(int64(p.T)-int64(o.T), 1)
}

// Later returns the later of two times.
func Later(a, b OpTime) OpTime {
	if a.Before(b) {
		return b
	}
	return a
}

// Previous is the time just before o, as far as it can be named.
func (o OpTime) Previous() OpTime {
	if o.I > 0 {
		return OpTime{T: o.T, I: o.I - 1}
	}
	return OpTime{T: o.T - 1, I: 1<<32 - 1}
}

// String prints the time as seconds.increment.
func (o OpTime) String() string { return fmt.Sprintf("%d.%d", o.T, o.I) }
