package cutover

import (
	"context"

	"go.uber.org/zap"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/ownership"
)

// backOut lets writes to the source through again, if this attempt is still the
// one to decide. It works although the attempt was cancelled or has lost its
// lease, and goes on until it knows: as long as the destination, with the
// marker, cannot be reached, the source stays fenced, since nobody can say
// whether the destination was opened.
func (c Config) backOut(ctx context.Context, state ownership.Cutover, cause error) (Outcome, error) {
	undo := context.WithoutCancel(ctx)
	state.Reason = migration.Redact(cause.Error())
	c.Log.Warn("backing out of the cutover", zap.Error(cause))
	for {
		moved, m, err := c.moveBack(undo, state)
		switch {
		case err == nil && !moved && (m == nil || m.Cutover.State != ownership.CutoverBackedOut || m.Lanes[ownership.LaneCutover] != c.Epoch):
			return Outcome{}, notMoved(m, ownership.CutoverBackedOut) // not ours any more: touch nothing
		case err == nil:
			return Outcome{Reason: state.Reason, StartedAt: state.StartedAt}, c.restore(undo)
		}
		c.Log.Error("cannot reach the marker: the source stays fenced until it can be reached", zap.Error(err))
		pause(undo)
	}
}

func (c Config) moveBack(ctx context.Context, state ownership.Cutover) (bool, *ownership.Marker, error) {
	limited, cancel := context.WithTimeout(ctx, undoPatience)
	defer cancel()
	return c.UndoLedger.Transition(limited, c.Epoch, []ownership.CutoverState{ownership.CutoverFenced}, ownership.CutoverBackedOut, fields(state))
}

// restore undoes the fence after the marker says so.
func (c Config) restore(ctx context.Context) error {
	if err := c.unblock(ctx); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, undoPatience)
	defer cancel()
	if err := c.Constrain(limited, false); err != nil {
		// The next applying of changes meets prepareUnique at worst, and says so.
		c.Log.Warn("the destination still refuses equal keys", zap.Error(err))
	}
	return nil
}

// unblock tries until the source accepts writes again, unless a later attempt has
// taken over: the block may be its own then.
func (c Config) unblock(ctx context.Context) error {
	if c.Mode != migration.BlockWrites {
		return nil
	}
	return mongodb.Retry(context.WithoutCancel(ctx), c.Log, "lift the write block of the source", func() error {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoPatience)
		defer cancel()
		if err := c.UndoLedger.Check(limited, ownership.LaneCutover, c.Epoch); err != nil {
			return err
		}
		return Unblock(limited, c.Source)
	})
}
