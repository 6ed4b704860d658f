package cutover

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/zap"

	"mongoferry/internal/devstack"
	"mongoferry/internal/enginetest"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/ownership"
)

// A write block is for all of a server: tests are not parallel.
func TestMain(m *testing.M) { os.Exit(devstack.Main(m)) }

// drill is a cutover between real servers whose changes are made up.
type drill struct {
	Config
	t *testing.T
	// constrained is what Constrain was last told.
	constrained bool
	drained     int
	// during is called as each note is drained to.
	during   func(n int)
	intruder *Intruder
}

func newDrill(t *testing.T) *drill {
	t.Helper()
	source, destination := enginetest.Source(t), enginetest.Destination(t)
	ledger := ownership.NewLedger(destination, strings.ReplaceAll(t.Name(), "/", "_"), "m")
	if err := ledger.Claim(t.Context(), "source", "run"); err != nil {
		t.Fatal(err)
	}
	d := &drill{t: t, during: func(int) {}}
	d.Config = Config{
		Source: source, Destination: destination, Ledger: ledger, UndoLedger: ledger, Log: zap.NewNop(),
		Mode: migration.BlockWrites, Timeout: 20 * time.Second, Request: 1, Drain: d,
		Verify:    func(context.Context) ([]string, error) { return nil, nil },
		Constrain: func(_ context.Context, on bool) error { d.constrained = on; return nil },
	}
	d.begin()
	t.Cleanup(func() {
		if err := Unblock(context.Background(), source); err != nil {
			t.Error(err)
		}
	})
	return d
}

// begin begins another attempt.
func (d *drill) begin() {
	d.t.Helper()
	attempt, err := d.Ledger.Begin(d.t.Context(), ownership.LaneCutover)
	if err != nil {
		d.t.Fatal(err)
	}
	d.Epoch = attempt.Epoch
}

func (d *drill) DrainTo(ctx context.Context, _, _ migration.OpTime) error {
	d.drained++
	d.during(d.drained)
	return ctx.Err()
}

func (d *drill) FirstAfter(migration.OpTime, bool) (*Intruder, bool) { return d.intruder, false }

// blocked says whether the source refuses writes: by trying one.
func (d *drill) blocked() bool {
	d.t.Helper()
	err := d.Source.Write(d.t.Context(), "app", bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "x", Value: 1}}}}})
	if err != nil && mongodb.Code(err) != mongodb.CodeUserWritesBlocked {
		d.t.Fatal(err)
	}
	return err != nil
}

func (d *drill) state() ownership.CutoverState {
	d.t.Helper()
	m, err := d.Ledger.Find(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return m.Cutover.State
}

// backsOut runs it and wants it to be backed out for a reason.
func (d *drill) backsOut(reason string) {
	d.t.Helper()
	out, err := Run(d.t.Context(), d.Config)
	if err != nil || out.Completed || !strings.Contains(out.Reason, reason) {
		d.t.Errorf("ended with %+v, %v, want it backed out: %s", out, err, reason)
	}
	if d.blocked() || d.constrained {
		d.t.Errorf("the source is blocked: %t, the destination refuses equal keys: %t", d.blocked(), d.constrained)
	}
}

// completes runs it and wants the destination open.
func (d *drill) completes() Outcome {
	d.t.Helper()
	out, err := Run(d.t.Context(), d.Config)
	if err != nil || !out.Completed || d.state() != ownership.CutoverOpen {
		d.t.Errorf("ended with %+v, %v in state %q", out, err, d.state())
	}
	return out
}
