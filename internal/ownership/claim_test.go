package ownership

import (
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/enginetest"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

func TestFindWithoutMarker(t *testing.T) {
	t.Parallel()
	if m, err := ledger(t, "one").Find(t.Context()); m != nil || err != nil {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestSecondMigrationIsRefused(t *testing.T) {
	t.Parallel()
	one := claimed(t)
	two := ledger(t, "two")
	steps := map[string]func() error{
		"claim":    func() error { return two.Claim(t.Context(), "elsewhere", "run") },
		"acquire":  func() error { _, err := two.Begin(t.Context(), LanePrepare); return err },
		"no lane":  func() error { _, err := two.Begin(t.Context(), ""); return err },
		"check":    func() error { return two.Check(t.Context(), LanePrepare, 0) },
		"clean up": func() error { return two.Release(t.Context()) },
	}
	for name, step := range steps {
		err := step()
		wantKind(t, name, err, migration.DestinationClaimed)
		for _, part := range []string{"one", "source of one", "starter cancel one", "starter cleanup one"} {
			if err != nil && !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q is not in: %v", name, part, err)
			}
		}
	}
	if m := find(t, one); m.Owner != "one" || m.Source != "source of one" || m.Epoch != 0 {
		t.Errorf("the refused migration changed the marker: %+v", m)
	}
}

// Claiming again changes nothing of what has happened since.
func TestClaimAgain(t *testing.T) {
	t.Parallel()
	l := claimed(t)
	if _, err := l.Begin(t.Context(), LanePrepare); err != nil {
		t.Fatal(err)
	}
	before := find(t, l)
	if err := l.Claim(t.Context(), "another source", "run"); err != nil {
		t.Fatal(err)
	}
	if after := find(t, l); after.Epoch != 1 || after.Source != before.Source || after.Lanes[LanePrepare] != 1 {
		t.Errorf("got %+v, want %+v", after, before)
	}
}

// Many claims at the same moment: all of one migration succeed, whichever came
// first; of two migrations one is refused.
func TestClaimsAtOnce(t *testing.T) {
	t.Parallel()
	for range 5 {
		var group errgroup.Group
		var mu sync.Mutex
		refused := map[string]int{}
		for i := range 16 {
			owner := []string{"one", "two"}[i%2]
			group.Go(func() error {
				err := ledger(t, owner).Claim(t.Context(), "source", "run")
				if migration.KindOf(err) == migration.DestinationClaimed {
					mu.Lock()
					defer mu.Unlock()
					refused[owner]++
					return nil
				}
				return err
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		owner := find(t, ledger(t, "")).Owner
		other := map[string]string{"one": "two", "two": "one"}[owner]
		if refused[owner] != 0 || refused[other] != 8 {
			t.Fatalf("owner %s: refused %v", owner, refused)
		}
		if err := ledger(t, owner).Release(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// Between a refusal and the reading of the marker, another attempt of the same
// migration may have claimed the destination.
func TestClaimedByOurselvesMeanwhile(t *testing.T) {
	t.Parallel()
	if err := claimed(t).claimedByOther(t.Context(), "run"); err != nil {
		t.Errorf("refused because of itself: %v", err)
	}
}

// TestClaimAfterAnUncleanedOne: what a former migration of the same id has left is
// not taken for one's own, whatever it says of a cutover.
func TestClaimAfterAnUncleanedOne(t *testing.T) {
	t.Parallel()
	l := claimed(t)
	if err := l.Claim(t.Context(), "source", "run"); err != nil {
		t.Errorf("claim again: %v", err)
	}
	err := l.Claim(t.Context(), "source", "another run")
	wantKind(t, "claim by a later run", err, migration.DestinationClaimed)
	if !strings.Contains(err.Error(), "starter cleanup one") {
		t.Errorf("the refusal does not say what to do: %v", err)
	}
}

func TestRelease(t *testing.T) {
	t.Parallel()
	l := claimed(t)
	for _, name := range []string{"units", "bundles", "catalog", "slots", "theirs"} {
		run(t, t.Name(), bson.D{{Key: "create", Value: name}})
	}
	for range 2 {
		if err := l.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		left, err := mongodb.All(t.Context(), enginetest.Destination(t), t.Name(), bson.D{{Key: "listCollections", Value: 1}})
		if err != nil || len(left) != 1 || left[0].Lookup("name").StringValue() != "theirs" {
			t.Errorf("left in the metadata database: %s, %v", left, err)
		}
	}
	wantKind(t, "acquire", acquireError(t, l), migration.Superseded)
	wantKind(t, "check", l.Check(t.Context(), LanePrepare, 0), migration.Superseded)
	if err := ledger(t, "two").Claim(t.Context(), "source", "run"); err != nil {
		t.Errorf("claim after the release: %v", err)
	}
}

func acquireError(t *testing.T, l *Ledger) error {
	t.Helper()
	_, err := l.Begin(t.Context(), LanePrepare)
	return err
}

// Nothing is dropped for a migration that does not own the destination.
func TestReleaseOfAnother(t *testing.T) {
	t.Parallel()
	claimed(t)
	run(t, t.Name(), bson.D{{Key: "create", Value: "catalog"}})
	wantKind(t, "release", ledger(t, "two").Release(t.Context()), migration.DestinationClaimed)
	left, err := mongodb.All(t.Context(), enginetest.Destination(t), t.Name(), bson.D{{Key: "listCollections", Value: 1}})
	if err != nil || len(left) != 2 {
		t.Errorf("left in the metadata database: %s, %v", left, err)
	}
}
