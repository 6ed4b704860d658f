package mongodb

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
)

func TestParseVersion(t *testing.T) {
	t.Parallel()
	cases := []struct {
		text string
		want Version
		ok   bool
	}{
		{"6.0.27", Version{6, 0, 27}, true},
		{"8.0.0-rc1", Version{8, 0, 0}, true},
		{"7.0.14-8", Version{7, 0, 14}, true},
		{"6.0", Version{}, false},
		{"", Version{}, false},
		{"six.0.1", Version{}, false},
	}
	for _, tc := range cases {
		got, err := ParseVersion(tc.text)
		if got != tc.want || (err == nil) != tc.ok {
			t.Errorf("%q: got %s, %v", tc.text, got, err)
		}
	}
	if v := (Version{6, 0, 27}); v.String() != "6.0.27" || v.Series() != "6.0" {
		t.Errorf("got %s of the series %s", v, v.Series())
	}
}

func TestVersionAtLeast(t *testing.T) {
	t.Parallel()
	v := Version{6, 1, 5}
	for _, w := range []Version{{6, 1, 5}, {6, 1, 4}, {6, 0, 9}, {5, 9, 9}} {
		if !v.AtLeast(w) {
			t.Errorf("%s is at least %s", v, w)
		}
	}
	for _, w := range []Version{{6, 1, 6}, {6, 2, 0}, {7, 0, 0}} {
		if v.AtLeast(w) {
			t.Errorf("%s is not at least %s", v, w)
		}
	}
}

func TestTopologyOf(t *testing.T) {
	t.Parallel()
	for want, hello := range map[Topology]bson.D{
		Sharded:    {{Key: "msg", Value: "isdbgrid"}},
		ReplicaSet: {{Key: "setName", Value: "rs"}},
		Standalone: {{Key: "isWritablePrimary", Value: true}},
	} {
		if got := topologyOf(marshal(t, hello)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestInspectReplicaSet(t *testing.T) {
	t.Parallel()
	c := server(t)
	got, err := Inspect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	config := run(t, c, "admin", bson.D{{Key: "replSetGetConfig", Value: 1}})
	want := Cluster{
		Version: version(t, c), FCV: "6.0", Topology: ReplicaSet, SetName: "shared",
		Identity: config.Lookup("config", "settings", "replicaSetId").ObjectID().Hex(),
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func version(t *testing.T, c *Client) Version {
	t.Helper()
	info := run(t, c, "admin", bson.D{{Key: "buildInfo", Value: 1}})
	v, err := ParseVersion(info.Lookup("version").StringValue())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestInspectStandalone(t *testing.T) {
	t.Parallel()
	c := dial(t, start(t, sharedStandalone).URI())
	got, err := Inspect(t.Context(), c)
	if want := (Cluster{Version: version(t, c), FCV: "6.0", Topology: Standalone}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if _, err := MajorityOpTime(t.Context(), c); err == nil || !strings.Contains(err.Error(), "is it a replica set?") {
		t.Errorf("majority optime of a standalone: %v", err)
	}
}

func TestOldServerIsRecognised(t *testing.T) {
	t.Parallel()
	set := devstack.NewOldReplicaSet(t)
	got, err := Inspect(t.Context(), dial(t, set.URI()))
	if want := (Version{6, 0, 5}); err != nil || got.Version != want {
		t.Errorf("got %+v, %v, want version %s", got, err, want)
	}
}

// A note is in the oplog, majority committed, no later than the time that is
// given.
func TestAppendNote(t *testing.T) {
	t.Parallel()
	checkNote(t, server(t))
}

// A server that has just started leaves the time out of its reply. Not parallel:
// it kills the server.
func TestAppendNoteAfterRestart(t *testing.T) {
	set := start(t, sharedSet)
	c := server(t)
	if err := set.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := set.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := Retry(t.Context(), nop(), "reach the server", func() error { _, err := Inspect(t.Context(), c); return err }); err != nil {
		t.Fatal(err)
	}
	checkNote(t, c)
}

func checkNote(t *testing.T, c *Client) {
	t.Helper()
	before, err := MajorityOpTime(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	noted, err := AppendNote(t.Context(), c, t.Name())
	if err != nil {
		t.Fatal(err)
	}
	after, err := MajorityOpTime(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if !noted.After(before) || after.Before(noted) {
		t.Errorf("the note at %s is not between the majority optimes %s and %s", noted, before, after)
	}
	entries, err := All(t.Context(), c, "local", bson.D{
		{Key: "find", Value: "oplog.rs"}, {Key: "filter", Value: bson.D{{Key: "op", Value: "n"}, {Key: "o.mongoferry", Value: t.Name()}}},
		{Key: "sort", Value: bson.D{{Key: "$natural", Value: -1}}}, {Key: "limit", Value: 1},
	})
	if err != nil || len(entries) != 1 {
		t.Fatalf("got %s, %v, want one entry in the oplog", entries, err)
	}
	if sec, inc := entries[0].Lookup("ts").Timestamp(); (migration.OpTime{T: sec, I: inc}).After(noted) {
		t.Errorf("the entry is at %d.%d, behind the time given, %s", sec, inc, noted)
	}
}

// Not parallel: it blocks writes for everybody.
func TestWritesBlocked(t *testing.T) {
	c := server(t)
	block := func(on bool) {
		run(t, c, "admin", bson.D{{Key: "setUserWriteBlockMode", Value: 1}, {Key: "global", Value: on}})
	}
	t.Cleanup(func() {
		_, _ = c.Run(t.Context(), "admin", bson.D{{Key: "setUserWriteBlockMode", Value: 1}, {Key: "global", Value: false}})
	})
	for _, on := range []bool{false, true, false} {
		block(on)
		got, err := WritesBlocked(t.Context(), c)
		if err != nil || got != on {
			t.Errorf("blocked %t: got %t, %v", on, got, err)
		}
		cluster, err := Inspect(t.Context(), c)
		if err != nil || cluster.WritesBlocked != on {
			t.Errorf("blocked %t: got %+v, %v", on, cluster, err)
		}
	}
}
