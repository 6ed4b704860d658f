package mongodb

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
)

// Oplog is what the oplog of the member that answers holds. Size and MaxSize are
// bytes, 0 where the user may not know them.
type Oplog struct {
	First, Last   migration.OpTime
	Size, MaxSize int64
	// Retention is how many seconds the server keeps at least, whatever the size.
	Retention int64
}

// ReadOplog looks at the oplog's ends, its size and its limits. A user who may
// not read it gets a fault of the kind AccessDenied.
func ReadOplog(ctx context.Context, c *Client) (Oplog, error) {
	var o Oplog
	for order, end := range map[int]*migration.OpTime{1: &o.First, -1: &o.Last} {
		docs, err := All(ctx, c, "local", bson.D{
			{Key: "find", Value: "oplog.rs"}, {Key: "sort", Value: bson.D{{Key: "$natural", Value: order}}},
			{Key: "limit", Value: 1}, {Key: "singleBatch", Value: true},
			{Key: "projection", Value: bson.D{{Key: "ts", Value: 1}}},
		})
		if err != nil {
			return o, fmt.Errorf("read the oplog's ends: %w", err)
		}
		if len(docs) == 0 {
			return o, errors.New(c.name + ": the oplog is empty")
		}
		end.T, end.I, _ = docs[0].Lookup("ts").TimestampOK()
	}
	stats, err := c.Run(ctx, "local", bson.D{{Key: "collStats", Value: "oplog.rs"}})
	if err != nil && migration.KindOf(err) != migration.AccessDenied {
		return o, fmt.Errorf("read the oplog's size: %w", err)
	}
	if err == nil {
		o.Size, _ = stats.Lookup("size").AsInt64OK()
		o.MaxSize, _ = stats.Lookup("maxSize").AsInt64OK()
	}
	status, err := c.Run(ctx, "admin", bson.D{{Key: "serverStatus", Value: 1}})
	if err != nil {
		return o, fmt.Errorf("read the oplog's retention: %w", err)
	}
	if hours, ok := status.Lookup("oplogTruncation", "oplogMinRetentionHours").AsFloat64OK(); ok {
		o.Retention = int64(hours * 3600)
	}
	return o, nil
}

// Holds says whether a change stream can still be resumed at a time: nothing
// after it has fallen off.
func (o Oplog) Holds(at migration.OpTime) bool { return !o.First.After(at) }

// Seconds is how far the oplog reaches back.
func (o Oplog) Seconds() int64 { return max(int64(o.Last.T)-int64(o.First.T), 0) }

// FullSeconds is how far it will reach back once it is full, at the rate at
// which what it holds was written.
func (o Oplog) FullSeconds() int64 {
	full := o.Seconds()
	if o.Size > 0 && o.MaxSize > o.Size {
		full = int64(float64(max(full, 1)) * (float64(o.MaxSize) / float64(o.Size)))
	}
	return max(full, o.Retention)
}

// Remaining is how many seconds pass until a time falls off at that rate, at
// least 1 while the oplog holds it.
func (o Oplog) Remaining(at migration.OpTime) int64 {
	if !o.Holds(at) {
		return 0
	}
	return max(o.FullSeconds()-at.LagSeconds(o.Last), 1)
}

// youngSeconds is the history from which a rate can be told.
const youngSeconds = 600

// Young says that the oplog has only begun to fill: its rate is that of a moment.
func (o Oplog) Young() bool {
	return o.Size > 0 && o.Size < o.MaxSize/2 && o.Seconds() < youngSeconds
}

// Window is what the oplog means to a position.
func (o Oplog) Window(at migration.OpTime) migration.OplogWindow {
	return migration.OplogWindow{Seconds: o.Seconds(), FullSeconds: o.FullSeconds(), RemainingSeconds: o.Remaining(at), Young: o.Young()}
}

// HistoryLost is the fault of an oplog that no longer holds a position.
func (o Oplog) HistoryLost(at migration.OpTime) error {
	return &migration.Fault{Kind: migration.HistoryLost, Message: historyLostAdvice,
		Err: fmt.Errorf("the oplog begins at %s, after the position %s", o.First, at)}
}
