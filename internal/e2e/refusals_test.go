package e2e

import (
	"context"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
)

// refuses runs start and watch, and wants the migration to fail with one line
// that holds the text; validate must say the same.
func (s *stack) refuses(t *testing.T, id, text string, flags ...string) {
	t.Helper()
	if code, _, errs := s.starter(append([]string{"start", "--id", id}, flags...)...); code != 0 {
		t.Fatalf("start: exit code %d: %s", code, errs)
	}
	code, _, errs := s.starter("watch", id)
	if code != 1 || !strings.Contains(errs, text) {
		t.Errorf("watch: exit code %d: %s, want %q", code, errs, text)
	}
	if st, err := s.status(id); err != nil || st.Phase != migration.Failed || !strings.Contains(st.Error, text) || strings.Contains(st.Error, "\n") {
		t.Errorf("status: %v, %s: %q", err, st.Phase, st.Error)
	}
	code, out, errs := s.starter(append([]string{"validate"}, flags...)...)
	if code != 1 || !strings.Contains(out, text) {
		t.Errorf("validate: exit code %d: %s%s", code, out, errs)
	}
}

// TestRefusals refuses before anything was changed on either side.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.worker()
	fill(t, s.source, 1000)
	tooOld := devstack.NewOldReplicaSet(t)
	alone := devstack.NewReplicaSet(t, devstack.ReplicaSetOptions{Name: "alone", Standalone: true})
	guarded := devstack.NewReplicaSet(t, devstack.ReplicaSetOptions{Name: "guarded", Auth: true})
	src, dst := s.src.URI(), s.dst.URI()
	before := s.picture(s.source)
	cases := []struct{ name, source, destination, want string }{
		{"old-source", tooOld.URI(), dst, "source: version 6.0.5 is too old: upgrade it to 6.0.13 or later"},
		{"old-destination", src, tooOld.URI(), "destination: version 6.0.5 is too old"},
		{"standalone-source", alone.URI(), dst, "the source is a standalone server"},
		{"standalone-destination", src, alone.URI(), "the destination is a standalone server"},
		{"unreachable", "mongodb://127.0.0.1:9/?replicaSet=x", dst, "the source at 127.0.0.1:9 does not answer"},
		{"wrong-password", src, guarded.URIFor("admin", "hunter2"), "authentication failed: check user, password and authSource"},
		{"wrong-set", strings.ReplaceAll(src, "=src", "=other"), dst, "does not answer"},
		{"same", src, strings.ReplaceAll(src, "127.0.0.1", "localhost"), "source and destination are the same replica set"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { s.refuses(t, c.name, c.want, "--source", c.source, "--destination", c.destination) })
	}
	t.Run("feature compatibility", func(t *testing.T) {
		setFCV(t, s, "5.0")
		defer setFCV(t, s, "6.0")
		s.refuses(t, "fcv", "the source's feature compatibility version is 6.0, the destination's 5.0", "--source", src, "--destination", dst)
	})
	s.destinationIsEmpty()
	s.leftNothing()
	t.Run("not empty", func(t *testing.T) {
		if _, err := s.dest.Database("shop").Collection("orders").InsertOne(t.Context(), bson.D{{Key: "_id", Value: "mine"}}); err != nil {
			t.Fatal(err)
		}
		after := s.picture(s.dest)
		s.refuses(t, "not-empty", "the destination already holds 1 of the namespaces to be migrated, first shop.orders", "--source", src, "--destination", dst)
		if now := s.picture(s.dest); len(now) != 1 || now["shop.orders"] != after["shop.orders"] {
			t.Errorf("the destination was changed: %v", now)
		}
	})
	if after := s.picture(s.source); len(after) != len(before) {
		t.Errorf("the source was changed: %v", after)
	} else {
		for ns, was := range before {
			if after[ns] != was {
				t.Errorf("%s was changed on the source", ns)
			}
		}
	}
	s.leftNothing()
}

func setFCV(t *testing.T, s *stack, version string) {
	t.Helper()
	err := s.dest.Database("admin").RunCommand(context.Background(), bson.D{{Key: "setFeatureCompatibilityVersion", Value: version}}).Err()
	if err != nil {
		t.Fatal(err)
	}
}

// TestSecondMigration is refused and names the first; the first goes on.
func TestSecondMigration(t *testing.T) {
	t.Parallel()
	o := newOrdeal(t, "first", 60_000)
	o.reach(migration.Copying)
	o.refuses(t, "second", "the destination is being migrated to by first", "--source", o.src.URI(), "--destination", o.dst.URI(), "--drop-destination")
	if st, err := o.status("first"); err != nil || st.Phase == migration.Failed {
		t.Errorf("the first: %+v, %v", st, err)
	}
	o.finish()
}

// TestSecondMigrationAtOnce lets two race for the same destination.
func TestSecondMigrationAtOnce(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.worker()
	fill(t, s.source, 1000)
	ids := []string{"one", "two"}
	for _, id := range ids {
		s.start(s.spec(id))
	}
	var ready []string
	for i, id := range ids {
		st := s.await(id, "ready or failed", func(st migration.Status) bool { return st.Phase == migration.Ready || st.Phase.Ended() })
		if st.Phase == migration.Ready {
			ready = append(ready, id)
		} else if !strings.Contains(st.Error, "is being migrated to by "+ids[1-i]) {
			t.Errorf("%s has failed with: %s", id, st.Error)
		}
	}
	if len(ready) != 1 {
		t.Fatalf("ready are %v", ready)
	}
	s.mustUpdate(ready[0], migration.MessageCutover)
	s.awaitPhase(ready[0], migration.Completed)
	s.identical()
}
