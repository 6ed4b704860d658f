package mongodb

import (
	"bytes"
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
)

// settledPause is between two looks whether a majority has followed.
const settledPause = 20 * time.Millisecond

// Settled is the read concern that waits until a majority holds all that the
// primary holds now. Right after an election a plain majority read may give what
// was before writes that were acknowledged; and a write that was broken off may
// be there already, and still be rolled back. After a read with this concern,
// neither is so.
func Settled(ctx context.Context, c *Client) (bson.E, error) {
	now, err := standing(ctx, c)
	if err != nil {
		return bson.E{}, err
	}
	concern := bson.D{{Key: "level", Value: "majority"}}
	if !now.applied.IsZero() {
		concern = append(concern, bson.E{Key: "afterClusterTime", Value: now.applied.Timestamp()})
	}
	return bson.E{Key: "readConcern", Value: concern}, nil
}

// Steady runs a step that reads what cannot be read with majority concern, such
// as a catalog, and waits until a majority holds all that it can have seen. When
// there was an election meanwhile, some of it may have been rolled back: then the
// step is run again.
func Steady(ctx context.Context, c *Client, step func() error) error {
	for {
		before, err := standing(ctx, c)
		if err != nil {
			return err
		}
		if err := step(); err != nil {
			return err
		}
		after, err := standing(ctx, c)
		if err != nil {
			return err
		}
		for now := after; bytes.Equal(now.election, before.election); {
			if !now.majority.Before(after.applied) {
				return nil
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(settledPause):
			}
			if now, err = standing(ctx, c); err != nil {
				return err
			}
		}
	}
}

// position is who is primary, what it has applied, and what a majority has.
type position struct {
	election          []byte
	applied, majority migration.OpTime
}

func standing(ctx context.Context, c *Client) (position, error) {
	hello, err := c.Run(ctx, "admin", bson.D{{Key: "hello", Value: 1}})
	if err != nil {
		return position{}, err
	}
	p := position{election: hello.Lookup("electionId").Value}
	p.applied.T, p.applied.I, _ = hello.Lookup("lastWrite", "opTime", "ts").TimestampOK()
	p.majority.T, p.majority.I, _ = hello.Lookup("lastWrite", "majorityOpTime", "ts").TimestampOK()
	return p, nil
}
