package ownership

import (
	"os"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/devstack"
	"mongoferry/internal/enginetest"
	"mongoferry/internal/migration"
)

func TestMain(m *testing.M) { os.Exit(devstack.Main(m)) }

// ledger gives a ledger in the test's own metadata database.
func ledger(t *testing.T, owner string) *Ledger {
	t.Helper()
	return NewLedger(enginetest.Destination(t), t.Name(), owner)
}

// claimed is a ledger whose owner, the migration one, has claimed the
// destination.
func claimed(t *testing.T) *Ledger {
	t.Helper()
	l := ledger(t, "one")
	if err := l.Claim(t.Context(), "source of one", "run"); err != nil {
		t.Fatal(err)
	}
	return l
}

func find(t *testing.T, l *Ledger) Marker {
	t.Helper()
	m, err := l.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if m == nil {
		t.Fatal("there is no marker")
	}
	return *m
}

func wantKind(t *testing.T, what string, err error, kind migration.FaultKind) {
	t.Helper()
	if err == nil || migration.KindOf(err) != kind {
		t.Errorf("%s: got %v, want kind %s", what, err, kind)
	}
}

func run(t *testing.T, db string, command bson.D) bson.Raw {
	t.Helper()
	reply, err := enginetest.Destination(t).Run(t.Context(), db, command)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}
