package cutover

import (
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
	"mongoferry/internal/ownership"
)

func TestCompletes(t *testing.T) {
	d := newDrill(t)
	d.during = func(n int) {
		// The approach is drained to while writes go on, fence and opening are not.
		if d.blocked() != (n > 1) {
			t.Errorf("note %d: the source is blocked: %t", n, d.blocked())
		}
	}
	out := d.completes()
	if !d.blocked() || !d.constrained || d.drained != 3 {
		t.Errorf("blocked %t, constrained %t, drained %d times", d.blocked(), d.constrained, d.drained)
	}
	if out.StartedAt.After(out.FencedAt) || out.FencedAt.After(out.WritesAcceptedAt) {
		t.Errorf("times out of order: %+v", out)
	}
}

func TestStoppedWritesAreNotBlocked(t *testing.T) {
	d := newDrill(t)
	d.Mode = migration.StoppedWrites
	d.completes()
	if d.blocked() {
		t.Error("the source was blocked")
	}
}

func TestBacksOut(t *testing.T) {
	cases := map[string]struct {
		arrange func(*drill)
		reason  string
	}{
		"intruder": {func(d *drill) {
			d.intruder = &Intruder{NS: migration.Namespace{DB: "a", Collection: "b"}, Kind: "insert", ID: bson.RawValue{Type: bson.TypeInt32, Value: []byte{7, 0, 0, 0}}}
		}, `a write reached the source after the fence: insert in a.b, _id {"$numberInt":"7"}`},
		"differences": {func(d *drill) {
			d.Verify = func(context.Context) ([]string, error) {
				return []string{"a.b: documents: source 2, destination 1"}, nil
			}
		}, "both sides differ: a.b: documents"},
		"too slow": {func(d *drill) {
			d.Timeout = 2 * time.Second
			d.Verify = func(ctx context.Context) ([]string, error) { <-ctx.Done(); return nil, ctx.Err() }
		}, "not finished within the cutover timeout of 2s"},
		"the block is lifted": {func(d *drill) {
			d.Constrain = func(ctx context.Context, on bool) error {
				if !on {
					return nil
				}
				return Unblock(ctx, d.Source)
			}
		}, "somebody has lifted the write block"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := newDrill(t)
			c.arrange(d)
			d.backsOut(c.reason)
			if d.state() != ownership.CutoverBackedOut {
				t.Errorf("state %q", d.state())
			}
			// The same request is answered the same, the next one can succeed.
			d.begin()
			drained := d.drained
			d.backsOut(c.reason)
			if d.drained != drained {
				t.Error("a request that was backed out began again")
			}
		})
	}
}

func TestNextRequest(t *testing.T) {
	d := newDrill(t)
	d.intruder = &Intruder{Kind: "drop"}
	d.backsOut("drop of")
	d.begin()
	d.intruder, d.Request = nil, 2
	d.completes()
}

// TestCanceled: a cancel before the point of no return backs out.
func TestCanceled(t *testing.T) {
	d := newDrill(t)
	ctx, cancel := context.WithCancel(t.Context())
	d.during = func(n int) {
		if n == 2 {
			cancel()
		}
	}
	out, err := Run(ctx, d.Config)
	if err != nil || out.Completed || d.blocked() || d.state() != ownership.CutoverBackedOut {
		t.Errorf("%+v, %v, state %q", out, err, d.state())
	}
}

// TestOvertaken: an attempt that another one has overtaken at the fence neither
// opens the destination nor unblocks the source.
func TestOvertaken(t *testing.T) {
	d := newDrill(t)
	d.Verify = func(context.Context) ([]string, error) {
		if _, err := d.Ledger.Begin(t.Context(), ownership.LaneCutover); err != nil {
			return nil, err
		}
		return []string{"something differs"}, nil
	}
	if out, err := Run(t.Context(), d.Config); migration.KindOf(err) != migration.Superseded {
		t.Errorf("%+v, %v", out, err)
	}
	if !d.blocked() || d.state() != ownership.CutoverFenced {
		t.Errorf("blocked %t, state %q", d.blocked(), d.state())
	}
}

// leave brings the marker into a state, as an attempt that was killed leaves it.
func (d *drill) leave(state ownership.CutoverState, deadline time.Time) {
	d.t.Helper()
	moved, _, err := d.Ledger.Transition(d.t.Context(), d.Epoch, []ownership.CutoverState{ownership.CutoverNone}, state,
		fields(ownership.Cutover{Request: d.Request, StartedAt: time.Now(), Deadline: deadline}))
	if err != nil || !moved {
		d.t.Fatal(moved, err)
	}
	d.begin()
}

// TestAfterADeath: what the next attempt does goes by what the marker says.
func TestAfterADeath(t *testing.T) {
	soon, past := time.Now().Add(time.Minute), time.Now().Add(-time.Second)
	t.Run("fenced, in time", func(t *testing.T) {
		d := newDrill(t)
		d.leave(ownership.CutoverFenced, soon)
		d.Late = true // what has begun may go on
		d.completes()
	})
	t.Run("fenced, too late", func(t *testing.T) {
		d := newDrill(t)
		d.leave(ownership.CutoverFenced, past)
		d.backsOut("an attempt ended within the cutover timeout and the next began after it")
	})
	t.Run("opening", func(t *testing.T) {
		d := newDrill(t)
		d.leave(ownership.CutoverOpening, past)
		d.SettleOnly = true
		d.completes()
		if d.drained > 0 {
			t.Error("changes were applied to an open destination")
		}
	})
	t.Run("to settle, fenced", func(t *testing.T) {
		d := newDrill(t)
		d.leave(ownership.CutoverFenced, soon)
		d.SettleOnly = true
		d.backsOut("the cutover was canceled")
	})
	t.Run("to settle, not begun", func(t *testing.T) {
		d := newDrill(t)
		d.SettleOnly = true
		d.backsOut("canceled before the source was fenced")
	})
	t.Run("late, not begun", func(t *testing.T) {
		d := newDrill(t)
		d.Late = true
		d.backsOut("it could not begin within the cutover timeout")
		if d.drained > 0 || d.state() != ownership.CutoverNone {
			t.Errorf("drained %d times, state %q", d.drained, d.state())
		}
	})
}

// TestOpenTransaction: writers do not wait behind a block that waits for it.
func TestOpenTransaction(t *testing.T) {
	d := newDrill(t)
	d.Timeout = 3 * time.Second
	session := bson.D{{Key: "id", Value: bson.Binary{Subtype: bson.TypeBinaryUUID, Data: make([]byte, 16)}}}
	in := func(command bson.D) bson.D {
		return append(command, bson.E{Key: "lsid", Value: session}, bson.E{Key: "txnNumber", Value: int64(1)}, bson.E{Key: "autocommit", Value: false})
	}
	if d.blocked() { // makes the collection, too
		t.Fatal("blocked")
	}
	insert := in(bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "in", Value: "transaction"}}}}})
	if _, err := d.Source.Run(t.Context(), "app", append(insert, bson.E{Key: "startTransaction", Value: true})); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := d.Source.Run(context.Background(), "admin", in(bson.D{{Key: "abortTransaction", Value: 1}})); err != nil {
			t.Error(err)
		}
	}()
	d.backsOut("transactions have been open on the source for a while")
}
