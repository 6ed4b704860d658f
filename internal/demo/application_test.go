package demo

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/devstack"
)

// TestApplicationTellsWhatIsLost runs the writers on a source, copies nothing,
// and expects every acknowledged insert among the lost.
func TestApplicationTellsWhatIsLost(t *testing.T) {
	t.Parallel()
	source := devstack.NewReplicaSet(t, devstack.ReplicaSetOptions{Name: "source"})
	destination := devstack.NewReplicaSet(t, devstack.ReplicaSetOptions{Name: "destination"})
	a, err := Open(source.URI(), destination.URI())
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if err := a.Fill(ctx, 3000); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, ns := range []string{"shop.orders", "shop.events", "shop.large_orders", "odd.ids", "odd.sizes", "crm.region0"} {
		db, coll, _ := strings.Cut(ns, ".")
		n, err := a.source.Database(db).Collection(coll).CountDocuments(ctx, bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		kinds[ns] = int(n)
	}
	if kinds["shop.orders"] != 3000 || kinds["odd.ids"] < 19 || kinds["shop.large_orders"] == 0 || kinds["odd.sizes"] != 6 {
		t.Errorf("the source holds %v", kinds)
	}
	a.Start(ctx, 1000)
	a.awaitInserts(t, 20)
	refuse(t, a, true)
	a.Opened()
	writing, err := a.Stop(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if writing.Refused <= 0 || writing.Acknowledged < 20 {
		t.Errorf("writing was %+v", writing)
	}
	lost, err := a.writers.Lost(ctx, a.destination)
	if err != nil {
		t.Fatal(err)
	}
	if len(lost) != len(a.writers.inserted) {
		t.Errorf("%d of %d are lost", len(lost), len(a.writers.inserted))
	}
	if lost, err := a.writers.Lost(ctx, a.source); err != nil || len(lost) > 0 {
		t.Errorf("on the source are lost: %v, %v", lost, err)
	}
	diffs, err := a.Judge(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(diffs, func(d string) bool { return strings.Contains(d, "acknowledged writes are lost") }) {
		t.Errorf("the judge says %q", diffs)
	}
	refuse(t, a, false)
	if err := a.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// awaitInserts waits until the writers have inserted so many documents.
func (a *Application) awaitInserts(t *testing.T, n int) {
	t.Helper()
	for {
		a.writers.mu.Lock()
		have, failed := len(a.writers.inserted), a.writers.failed
		a.writers.mu.Unlock()
		if failed != nil {
			t.Fatal(failed)
		}
		if have >= n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func refuse(t *testing.T, a *Application, on bool) {
	t.Helper()
	err := a.source.Database("admin").RunCommand(t.Context(), bson.D{{Key: "setUserWriteBlockMode", Value: 1}, {Key: "global", Value: on}}).Err()
	if err != nil {
		t.Fatal(err)
	}
}
