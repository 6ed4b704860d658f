// Package cutover moves the writes from the source to the destination: it
// fences the source, lets the last changes be applied, compares, and opens the
// destination; or it backs out and leaves the source as it was.
//
// The marker on the destination decides: up to "fenced" the cutover can be
// backed out, by its holder alone; from "opening" on nothing compensates. Each
// move is a compare-and-set that only the current attempt can make.
package cutover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/zap"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/ownership"
)

// undoPatience bounds one try to back out, after which it is tried again.
const undoPatience = 10 * time.Second

// Config is what a cutover works with. The Destination is behind the gate of
// the attempt, the Ledger too, but UndoLedger is not: backing out must also work
// when the attempt has lost its lease, and is made safe by compare-and-set.
type Config struct {
	Source, Destination *mongodb.Client
	Ledger, UndoLedger  *ownership.Ledger
	Epoch               int64
	Log                 *zap.Logger
	Mode                migration.SourceWrites
	Timeout             time.Duration
	Request             int
	// SettleOnly finishes a cutover that is past the point of no return, and
	// backs any other out.
	SettleOnly bool
	// Late says that the cutover was asked for so long ago that it must not begin
	// any more: nobody expects it now.
	Late  bool
	Drain Drainer
	// Suspect looks, before the source is fenced, for what takes long to look
	// at: Verify then only looks again at what it has found. It may be nil.
	Suspect func(ctx context.Context) error
	// Verify gives the differences between both sides, none when equal.
	Verify func(ctx context.Context) ([]string, error)
	// Constrain makes the destination refuse what unique indexes refuse, or
	// stops doing so.
	Constrain func(ctx context.Context, on bool) error
}

// Drainer applies what is left of the change stream.
type Drainer interface {
	// DrainTo applies every change up to a time, and remembers those after the
	// fence alone.
	DrainTo(ctx context.Context, to, fence migration.OpTime) error
	// FirstAfter gives the first change to a migrated namespace after a time
	// that a fence should have kept out, nil when there is none. With
	// tolerateTTL, deletes that the server itself may have made do not count,
	// but moved is true.
	FirstAfter(fence migration.OpTime, tolerateTTL bool) (found *Intruder, moved bool)
}

// Intruder is a change that came although the source was fenced.
type Intruder struct {
	NS   migration.Namespace
	Kind string
	ID   bson.RawValue
}

// String names the change: its kind, namespace and, when it is about a document,
// _id.
func (i *Intruder) String() string {
	if i.ID.IsZero() {
		return fmt.Sprintf("%s of %s", i.Kind, i.NS)
	}
	return fmt.Sprintf("%s in %s, _id %s", i.Kind, i.NS, i.ID)
}

// Outcome is how a cutover ended. When it is not Completed, the source accepts
// writes and Reason says why.
type Outcome struct {
	Completed        bool
	Reason           string
	StartedAt        time.Time
	FencedAt         time.Time
	WritesAcceptedAt time.Time
}

// Run cuts over. It gives an error only when it could not find out or settle how
// things stand, so that it must run again: the same Request goes on where the
// marker says.
func Run(ctx context.Context, c Config) (Outcome, error) {
	m, err := c.Ledger.Find(ctx)
	if err != nil {
		return Outcome{}, err
	}
	if m == nil {
		return Outcome{}, migration.NewFault(migration.Superseded, "the destination carries no marker: the migration was cleaned up")
	}
	state := m.Cutover
	switch {
	case state.State.Opened():
		return c.open(context.WithoutCancel(ctx), state)
	case state.Request == c.Request && state.State == ownership.CutoverBackedOut:
		return Outcome{Reason: state.Reason, StartedAt: state.StartedAt}, c.restore(context.WithoutCancel(ctx))
	case state.Request == c.Request && state.State == ownership.CutoverFenced && time.Now().After(state.Deadline):
		return c.backOut(ctx, state, errors.New("an attempt ended within the cutover timeout and the next began after it"))
	}
	if c.SettleOnly {
		if state.State != ownership.CutoverFenced {
			return Outcome{Reason: "canceled before the source was fenced"}, c.restore(context.WithoutCancel(ctx))
		}
		return c.backOut(ctx, state, errors.New("the cutover was canceled"))
	}
	if c.Late && (state.Request != c.Request || state.State != ownership.CutoverFenced) {
		return Outcome{Reason: "it could not begin within the cutover timeout"}, nil
	}
	return c.fenceAndOpen(ctx, state)
}

// fenceAndOpen is the whole cutover from the top.
func (c Config) fenceAndOpen(ctx context.Context, before ownership.Cutover) (Outcome, error) {
	now := time.Now().UTC()
	state := ownership.Cutover{Request: c.Request, StartedAt: now, Deadline: now.Add(c.Timeout)}
	if before.Request == c.Request && before.State == ownership.CutoverFenced {
		state.StartedAt, state.Deadline = before.StartedAt, before.Deadline
	}
	if err := c.move(ctx, state, ownership.CutoverFenced, ownership.CutoverNone, ownership.CutoverBackedOut, ownership.CutoverFenced); err != nil {
		return Outcome{}, err
	}
	limited, cancel := context.WithDeadline(ctx, state.Deadline)
	defer cancel()
	fenced, err := c.prepareOpening(limited)
	if err != nil {
		return c.backOut(ctx, state, c.explain(limited, err))
	}
	state.FencedAt = fenced
	state.WritesAcceptedAt = time.Now().UTC()
	if err := c.move(limited, state, ownership.CutoverOpening, ownership.CutoverFenced); err != nil {
		// It may have been made all the same: the marker tells.
		return c.settle(ctx, state, c.explain(limited, err))
	}
	return c.open(context.WithoutCancel(ctx), state)
}

// settle finds out whether a move to opening that failed was made.
func (c Config) settle(ctx context.Context, state ownership.Cutover, cause error) (Outcome, error) {
	undo := context.WithoutCancel(ctx)
	for {
		limited, cancel := context.WithTimeout(undo, undoPatience)
		m, err := c.UndoLedger.Find(limited)
		cancel()
		if err == nil && m != nil && m.Cutover.State.Opened() {
			return c.open(undo, m.Cutover)
		}
		if err == nil {
			return c.backOut(ctx, state, cause)
		}
		c.Log.Error("the marker cannot be read: the source stays fenced until it can", zap.Error(err))
		pause(undo)
	}
}

// open finishes what cannot be undone any more.
func (c Config) open(ctx context.Context, state ownership.Cutover) (Outcome, error) {
	if state.State != ownership.CutoverOpen {
		if err := c.move(ctx, state, ownership.CutoverOpen, ownership.CutoverOpening, ownership.CutoverOpen); err != nil {
			return Outcome{}, err
		}
	}
	return Outcome{Completed: true, StartedAt: state.StartedAt, FencedAt: state.FencedAt, WritesAcceptedAt: state.WritesAcceptedAt}, nil
}

func (c Config) move(ctx context.Context, state ownership.Cutover, to ownership.CutoverState, from ...ownership.CutoverState) error {
	return mongodb.Retry(ctx, c.Log, "move the cutover to "+string(to), func() error {
		moved, m, err := c.Ledger.Transition(ctx, c.Epoch, from, to, fields(state))
		if err != nil || moved {
			return err
		}
		return notMoved(m, to)
	})
}

func notMoved(m *ownership.Marker, to ownership.CutoverState) error {
	found := "no marker"
	if m != nil {
		found = fmt.Sprintf("state %q", m.Cutover.State)
	}
	return migration.NewFault(migration.Superseded,
		fmt.Sprintf("the cutover could not be moved to %q: another attempt has taken over (found %s)", to, found))
}

func fields(s ownership.Cutover) bson.D {
	return bson.D{
		{Key: "request", Value: s.Request}, {Key: "deadline", Value: s.Deadline}, {Key: "reason", Value: s.Reason},
		{Key: "startedAt", Value: s.StartedAt}, {Key: "fencedAt", Value: s.FencedAt},
		{Key: "writesAcceptedAt", Value: s.WritesAcceptedAt},
	}
}

// explain says what ended the time limit.
func (c Config) explain(limited context.Context, err error) error {
	if errors.Is(limited.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("not finished within the cutover timeout of %s: %w", c.Timeout, err)
	}
	if limited.Err() != nil {
		return errors.New("the cutover was canceled or its worker lost the connection to Temporal")
	}
	return err
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
}
