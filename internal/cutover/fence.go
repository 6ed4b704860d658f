package cutover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/ownership"
)

// errIntruder marks a write that came although the source was fenced.
var errIntruder = errors.New("a write reached the source after the fence")

// approach does before the fence whatever can be done there: the lag of that
// moment is made up while the source still takes writes.
func (c Config) approach(ctx context.Context) error {
	if _, err := c.drainToNote(ctx, "approach", nil); err != nil {
		return err
	}
	if c.Suspect == nil {
		return nil
	}
	return c.Suspect(ctx)
}

// prepareOpening does everything up to the point of no return and gives the time
// since which writes to the source are refused.
func (c Config) prepareOpening(ctx context.Context) (fencedAt time.Time, err error) {
	if err := c.approach(ctx); err != nil {
		return fencedAt, err
	}
	if c.Mode == migration.BlockWrites {
		if err := c.block(ctx); err != nil {
			return fencedAt, err
		}
	}
	fencedAt = time.Now().UTC()
	fence, err := c.drainToNote(ctx, "fence", nil)
	if err != nil {
		return fencedAt, err
	}
	differences, err := c.Verify(ctx)
	if err != nil {
		return fencedAt, fmt.Errorf("compare both sides: %w", err)
	}
	if len(differences) > 0 {
		// Most likely somebody was not stopped: the write says more than a count.
		if err := c.lastLook(ctx, fence); err != nil {
			return fencedAt, err
		}
		return fencedAt, fmt.Errorf("both sides differ: %s", some(differences))
	}
	if err := c.Constrain(ctx, true); err != nil {
		return fencedAt, fmt.Errorf("make the destination refuse equal keys: %w", err)
	}
	if err := c.lastLook(ctx, fence); err != nil {
		return fencedAt, err
	}
	return fencedAt, c.stillBlocked(ctx)
}

// shownDifferences is how many differences a reason names: it travels, and is stored
// in the marker.
const shownDifferences = 10

func some(differences []string) string {
	if more := len(differences) - shownDifferences; more > 0 {
		return fmt.Sprintf("%s; and %d more", strings.Join(differences[:shownDifferences], "; "), more)
	}
	return strings.Join(differences, "; ")
}

// stillBlocked makes sure that nobody has lifted the block meanwhile.
func (c Config) stillBlocked(ctx context.Context) error {
	if c.Mode != migration.BlockWrites {
		return nil
	}
	blocked, err := mongodb.WritesBlocked(ctx, c.Source)
	if err != nil {
		return err
	}
	if !blocked {
		return errors.New("somebody has lifted the write block of the source")
	}
	return nil
}

// lastLook reads the stream on until just before the destination opens: the
// block does not stop every user, and whoever is to have stopped may not have.
func (c Config) lastLook(ctx context.Context, fence migration.OpTime) error {
	for {
		if _, err := c.drainToNote(ctx, "opening", &fence); err != nil {
			return err
		}
		intruder, moved := c.Drain.FirstAfter(fence, c.Mode == migration.StoppedWrites)
		if intruder != nil {
			return fmt.Errorf("%w: %s: stop that client (a user with the roles root, restore or "+
				"bypassWriteBlockingMode is not stopped by the block) and cut over again", errIntruder, intruder)
		}
		if !moved {
			return nil
		}
		// Expiry went on deleting: what it deleted is applied, look again from here.
		var err error
		if fence, err = c.drainToNote(ctx, "fence", nil); err != nil {
			return err
		}
	}
}

// drainToNote writes a note into the source's oplog and applies every change
// before it. Changes after the fence are remembered; without one, the note is it.
func (c Config) drainToNote(ctx context.Context, what string, fence *migration.OpTime) (migration.OpTime, error) {
	var at migration.OpTime
	err := mongodb.Retry(ctx, c.Log, "note the "+what+" in the source's oplog", func() error {
		var err error
		at, err = mongodb.AppendNote(ctx, c.Source, what)
		return err
	})
	if err != nil {
		return at, fmt.Errorf("note the %s in the source's oplog: %w", what, err)
	}
	if fence == nil {
		fence = &at
	}
	if err := c.Drain.DrainTo(ctx, at, *fence); err != nil {
		return at, fmt.Errorf("apply the last changes: %w", err)
	}
	return at, nil
}

// blockTry bounds one try to block: while it waits for an open transaction,
// every other writer waits behind it.
const blockTry = time.Second

// block makes the source refuse writes, once no transaction that has written is
// open any more.
func (c Config) block(ctx context.Context) error {
	for {
		if err := c.awaitTransactions(ctx); err != nil {
			return err
		}
		if err := c.Ledger.Check(ctx, ownership.LaneCutover, c.Epoch); err != nil {
			return err // nothing is blocked for an attempt that is over
		}
		_, err := c.Source.Run(ctx, "admin", bson.D{
			{Key: "setUserWriteBlockMode", Value: 1}, {Key: "global", Value: true},
			{Key: "maxTimeMS", Value: blockTry.Milliseconds()},
		})
		if err == nil {
			blocked, err := mongodb.WritesBlocked(ctx, c.Source)
			if err != nil {
				return err
			}
			if !blocked {
				return errors.New("the source took setUserWriteBlockMode but does not report it")
			}
			return nil
		}
		// It may be half in force, with everybody waiting: take it back first.
		if undo := c.unblock(ctx); undo != nil {
			return errors.Join(err, undo)
		}
		if mongodb.Code(err) != mongodb.CodeMaxTimeMSExpired && !mongodb.IsTransient(err) {
			return fmt.Errorf("block writes on the source: %w", err)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("block writes on the source: %w", err)
		}
	}
}

// pollTransactions is how often open transactions are counted.
const pollTransactions = 50 * time.Millisecond

// oldTransaction is how long a transaction may be open and still be expected to
// end by itself within one try to block.
const oldTransaction = 500 * time.Millisecond

// awaitTransactions waits until no old transaction is open. An idle one would
// hold the block up, and the block everybody else.
func (c Config) awaitTransactions(ctx context.Context) error {
	for {
		old, err := oldTransactions(ctx, c.Source)
		switch {
		case err == nil && old == 0:
			return nil
		case err == nil:
			err = fmt.Errorf("%d transactions have been open on the source for a while: end them (db.currentOp shows them) and cut over again", old)
		case !mongodb.IsTransient(err):
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pollTransactions):
		}
	}
}

// oldTransactions counts the open transactions that will not end at once. Where
// the user may not look at them, every open one counts.
func oldTransactions(ctx context.Context, src *mongodb.Client) (int64, error) {
	reply, err := src.Run(ctx, "admin", bson.D{{Key: "serverStatus", Value: 1}, {Key: "transactions", Value: 1}})
	if err != nil {
		return 0, err
	}
	open, _ := reply.Lookup("transactions", "currentOpen").AsInt64OK()
	if open == 0 {
		return 0, nil
	}
	docs, err := mongodb.Operations(ctx, src, bson.D{{Key: "idleSessions", Value: true}},
		bson.D{{Key: "$match", Value: bson.D{{Key: "transaction.timeOpenMicros", Value: bson.D{{Key: "$gt", Value: oldTransaction.Microseconds()}}}}}},
		bson.D{{Key: "$count", Value: "n"}})
	if migration.KindOf(err) == migration.AccessDenied {
		return open, nil
	}
	if err != nil || len(docs) == 0 {
		return 0, err
	}
	n, _ := docs[0].Lookup("n").AsInt64OK()
	return n, nil
}

// Unblock lets writes to the source through again and makes sure of it. It is
// fine when they were not blocked.
func Unblock(ctx context.Context, src *mongodb.Client) error {
	_, err := src.Run(ctx, "admin", bson.D{{Key: "setUserWriteBlockMode", Value: 1}, {Key: "global", Value: false}})
	if err != nil {
		return fmt.Errorf("lift the write block of the source: %w", err)
	}
	blocked, err := mongodb.WritesBlocked(ctx, src)
	if err != nil {
		return fmt.Errorf("lift the write block of the source: %w", err)
	}
	if blocked {
		return errors.New("the write block of the source does not go away: lift it by hand with setUserWriteBlockMode")
	}
	return nil
}
