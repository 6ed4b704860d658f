package activities

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/zap"

	"mongoferry/internal/catalog"
	"mongoferry/internal/devstack"
	"mongoferry/internal/enginetest"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/ownership"
)

func TestMain(m *testing.M) { os.Exit(devstack.Main(m)) }

func command(t *testing.T, c *mongodb.Client, db string, cmd ...bson.E) {
	t.Helper()
	enginetest.Run(t, c, db, cmd)
}

func insertInto(t *testing.T, c *mongodb.Client, db string, docs ...bson.D) {
	t.Helper()
	command(t, c, db, bson.E{Key: "insert", Value: "c"}, bson.E{Key: "documents", Value: docs})
}

func createIndex(t *testing.T, c *mongodb.Client, db, name string, options ...bson.E) {
	t.Helper()
	spec := append(bson.D{{Key: "name", Value: name}, {Key: "key", Value: bson.D{{Key: name, Value: 1}}}}, options...)
	command(t, c, db, bson.E{Key: "createIndexes", Value: "c"}, bson.E{Key: "indexes", Value: bson.A{spec}})
}

// inReady is a session of a migration whose collection c, with unique indexes a and
// b, is in sync, and a look that begins where it stands.
func inReady(t *testing.T) (*session, ConstraintsInput) {
	t.Helper()
	src, dst := enginetest.Source(t), enginetest.Destination(t)
	spec := migration.Spec{ID: t.Name(), MetadataDB: "meta_" + t.Name(), Include: []string{t.Name()}}.WithDefaults()
	s := &session{spec: spec, source: src, destination: dst, log: zap.NewNop(), ledger: ownership.NewLedger(dst, spec.MetadataDB, spec.ID)}
	if err := s.ledger.Claim(t.Context(), "source", "run"); err != nil {
		t.Fatal(err)
	}
	unique := bson.E{Key: "unique", Value: true}
	createIndex(t, src, t.Name(), "a", unique)
	createIndex(t, src, t.Name(), "b", unique)
	filter, err := filterOf(spec)
	if err != nil {
		t.Fatal(err)
	}
	found, err := catalog.ReadDatabase(t.Context(), src, t.Name(), filter)
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	cols := catalog.NewMap(dst, spec.MetadataDB)
	changer := catalog.Changer{Destination: dst, Map: cols}
	if err := changer.Create(t.Context(), found[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := catalog.BuildIndexes(t.Context(), dst, cols.All()[0]); err != nil {
		t.Fatal(err)
	}
	attempt, err := s.ledger.Begin(t.Context(), ownership.LaneReplication)
	if err != nil {
		t.Fatal(err)
	}
	now, err := mongodb.MajorityOpTime(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	return s, ConstraintsInput{Spec: spec, From: Position{OpTime: now, SafeAfter: now, Epoch: attempt.Epoch}}
}

// look looks, and makes the next one begin with what was found.
func (s *session) look(t *testing.T, in *ConstraintsInput) Look {
	t.Helper()
	result := ConstraintsResult{Look: in.Look, Epoch: in.From.Epoch}
	if err := s.violations(t.Context(), *in, &result); err != nil {
		t.Fatal(err)
	}
	in.Look, in.From.Epoch = result.Look, result.Epoch
	return result.Look
}

func equal(id int, value string) bson.D {
	return bson.D{{Key: "_id", Value: id}, {Key: "a", Value: value}, {Key: "b", Value: id}}
}

// TestLookInSync: where no document is newer than the position, equal keys are a
// violation at once; they are gone with the documents.
func TestLookInSync(t *testing.T) {
	t.Parallel()
	s, in := inReady(t)
	if found := s.look(t, &in); len(found.Violations)+len(found.Suspicions) > 0 {
		t.Errorf("found %+v where nothing is", found)
	}
	insertInto(t, s.destination, t.Name(), equal(1, "x"), equal(2, "x"))
	for range 2 {
		found := s.look(t, &in)
		if len(found.Violations) != 1 || found.Violations[0].IndexName != "a" || !strings.Contains(found.Violations[0].Reason, "_id") {
			t.Errorf("found %+v", found)
		}
	}
	insertInto(t, s.destination, t.Name(), equal(3, "x")) // nothing refuses it
	command(t, s.destination, t.Name(), bson.E{Key: "delete", Value: "c"},
		bson.E{Key: "deletes", Value: bson.A{bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: 1}}}}}, {Key: "limit", Value: 0}}}})
	if found := s.look(t, &in); len(found.Violations) > 0 {
		t.Errorf("found %+v after they are gone", found)
	}
}

// TestLookInMidstream: where documents may be newer than the position, equal keys
// are a suspicion, until the same documents have them at a position that has passed
// the first look.
func TestLookInMidstream(t *testing.T) {
	t.Parallel()
	s, in := inReady(t)
	insertInto(t, s.destination, t.Name(), equal(1, "x"), equal(2, "x"))
	at := in.From.OpTime
	in.From.OpTime = migration.OpTime{T: at.T - 2}
	for _, why := range []string{"seen once", "not passed yet"} {
		if found := s.look(t, &in); len(found.Violations) > 0 || len(found.Suspicions) != 1 {
			t.Errorf("%s: found %+v", why, found)
		}
	}
	in.From.OpTime, in.From.SafeAfter = at, migration.OpTime{T: at.T + 5}
	other := in
	other.Look.Suspicions = []Suspicion{{Namespace: t.Name() + ".c", IndexName: "a", Groups: []string{"of others"}}}
	if found := s.look(t, &other); len(found.Violations) > 0 {
		t.Errorf("other documents: found %+v", found)
	}
	in.From.Epoch = other.From.Epoch
	if found := s.look(t, &in); len(found.Violations) != 1 {
		t.Errorf("passed: found %+v", found)
	}
}

// TestLookAfterAnUnknownAttempt: nothing is looked at where the destination may be
// ahead of the position, or far behind the source; what was known stays.
func TestLookAfterAnUnknownAttempt(t *testing.T) {
	t.Parallel()
	s, in := inReady(t)
	in.Look.Violations = []migration.UnsuccessfulIndex{{Namespace: "a.b", IndexName: "known"}}
	in.From.Epoch += 5
	before := in.From.Epoch
	if found := s.look(t, &in); len(found.Violations) != 1 || in.From.Epoch != before {
		t.Errorf("found %+v, epoch %d", found, in.From.Epoch)
	}
	in.From.Epoch -= 5
	in.From.OpTime.T -= 3600
	before = in.From.Epoch
	if found := s.look(t, &in); len(found.Violations) != 1 || in.From.Epoch != before {
		t.Errorf("far behind: found %+v, epoch %d", found, in.From.Epoch)
	}
}

// TestLookIsTakenOver: once a later attempt is at work, an older one changes nothing.
func TestLookIsTakenOver(t *testing.T) {
	t.Parallel()
	s, in := inReady(t)
	s.look(t, &in)
	stale := in
	if _, err := s.ledger.Begin(t.Context(), ownership.LaneReplication); err != nil {
		t.Fatal(err)
	}
	if s.look(t, &in); in.From.Epoch != stale.From.Epoch {
		t.Errorf("epoch %d after %d was taken over", in.From.Epoch, stale.From.Epoch)
	}
}

// TestLookGoesOn: what one look has no time for is looked at by the next, and what
// is known of it stays until then.
func TestLookGoesOn(t *testing.T) {
	t.Parallel()
	all := []string{"a", "b", "c", "d"}
	violation := func(name string) catalog.Violation {
		return catalog.Violation{UnsuccessfulIndex: migration.UnsuccessfulIndex{Namespace: "x.y", IndexName: name}}
	}
	// each look goes by all of them, is cut after two, and finds what holds.
	pass := func(before Look, holds ...string) (after Look, looked string) {
		l := looking{in: ConstraintsInput{Look: before}, until: time.Now().Add(time.Hour), known: map[string]bool{}}
		var found []catalog.Violation
		for _, name := range all {
			if !l.pick(migration.Namespace{DB: "x", Collection: "y"}, name) {
				continue
			}
			if looked += name; len(looked) == 2 {
				l.until = time.Time{}
			}
			if strings.Contains(strings.Join(holds, ""), name) {
				found = append(found, violation(name))
			}
		}
		return l.sum(found), looked
	}
	var l Look
	steps := []struct {
		holds        []string
		looked, want string
	}{
		{[]string{"a", "c", "d"}, "ab", "a"},
		{[]string{"c", "d"}, "cd", "acd"},
		{[]string{"c"}, "ab", "cd"},
		{[]string{"c"}, "cd", "c"},
	}
	for n, step := range steps {
		var looked, names string
		l, looked = pass(l, step.holds...)
		for _, v := range l.Violations {
			names += v.IndexName
		}
		if looked != step.looked || names != step.want {
			t.Errorf("look %d: at %s, found %s, want %+v", n, looked, names, step)
		}
	}
	l, _ = pass(l)
	all = []string{"a", "d"} // b, where it was cut, and c are gone
	l, looked := pass(l)
	if looked != "" || l.After != "" || len(l.Violations) > 0 {
		t.Errorf("after its place was dropped: at %s, %+v", looked, l)
	}
}

// TestBuilding: an index that is being built on the source is named, with its keys,
// until it is finished.
func TestBuilding(t *testing.T) {
	t.Parallel()
	s, _ := inReady(t)
	for batch := range 4 {
		var docs []bson.D
		for n := range 10_000 {
			id := batch*10_000 + n
			doc := equal(id, fmt.Sprint(id))
			for f := range 20 {
				doc = append(doc, bson.E{Key: fmt.Sprint("f", f), Value: id ^ f})
			}
			docs = append(docs, doc)
		}
		insertInto(t, s.source, t.Name(), docs...)
	}
	wild := bson.D{{Key: "name", Value: "wild"}, {Key: "key", Value: bson.D{{Key: "$**", Value: 1}}}}
	seen := func(ctx context.Context) (names []string) {
		found, err := s.building(ctx)
		if err != nil {
			t.Error(err)
		}
		for _, i := range found {
			names = append(names, fmt.Sprint(i.Namespace, " ", i.IndexName, " ", i.Type, " ", i.Keys))
		}
		return names
	}
	want := fmt.Sprint(t.Name(), ".c wild incomplete map[$**:1]")
	for try := 1; ; try++ {
		built := make(chan error, 1)
		go func() {
			_, err := s.source.Run(t.Context(), t.Name(), bson.D{{Key: "createIndexes", Value: "c"}, {Key: "indexes", Value: bson.A{wild}}})
			built <- err
		}()
		var during []string
		for done := false; !done; {
			select {
			case err := <-built:
				if err != nil {
					t.Fatal(err)
				}
				done = true
			default:
				during = append(during, seen(t.Context())...)
			}
		}
		if after := seen(t.Context()); len(after) > 0 {
			t.Errorf("after the build: %v", after)
		}
		if len(during) > 0 && during[0] == want {
			return
		}
		if try == 5 || len(during) > 0 {
			t.Fatalf("during the build: %v, want %s", during, want)
		}
		command(t, s.source, t.Name(), bson.E{Key: "dropIndexes", Value: "c"}, bson.E{Key: "index", Value: "wild"})
	}
}

// TestNextAttemptRelaxes: what a cutover or a look that died has left on the
// destination is undone before changes are applied.
func TestNextAttemptRelaxes(t *testing.T) {
	t.Parallel()
	s, in := inReady(t)
	cols := catalog.NewMap(s.destination, s.spec.MetadataDB)
	if err := cols.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := catalog.Constrain(t.Context(), s.destination, cols); err != nil {
		t.Fatal(err)
	}
	insertInto(t, s.destination, t.Name(), equal(1, "x"))
	twice := bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{equal(2, "x")}}}
	reply, err := s.destination.Run(t.Context(), t.Name(), twice)
	if err != nil || reply.Lookup("writeErrors").Type == 0 {
		t.Fatalf("equal keys at the fence: %v, %s", err, reply)
	}
	if _, err := s.ledger.Begin(t.Context(), ownership.LaneReplication); err != nil { // the one that dies
		t.Fatal(err)
	}
	if _, err := s.startApplying(t.Context(), in.From, migration.Pace{}, nil); err != nil {
		t.Fatal(err)
	}
	insertInto(t, s.destination, t.Name(), equal(2, "x"))
}
