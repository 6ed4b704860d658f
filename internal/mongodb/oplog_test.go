package mongodb

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
)

func TestOplogWindow(t *testing.T) {
	t.Parallel()
	at := func(seconds uint32) migration.OpTime { return migration.OpTime{T: seconds, I: 1} }
	for name, c := range map[string]struct {
		oplog Oplog
		at    migration.OpTime
		want  migration.OplogWindow
	}{
		"full":              {Oplog{First: at(1000), Last: at(4600), Size: 100, MaxSize: 100}, at(2000), migration.OplogWindow{Seconds: 3600, FullSeconds: 3600, RemainingSeconds: 1000}},
		"size not known":    {Oplog{First: at(1000), Last: at(4600)}, at(4600), migration.OplogWindow{Seconds: 3600, FullSeconds: 3600, RemainingSeconds: 3600}},
		"over its size":     {Oplog{First: at(1000), Last: at(4600), Size: 110, MaxSize: 100}, at(1000), migration.OplogWindow{Seconds: 3600, FullSeconds: 3600, RemainingSeconds: 1}},
		"a quarter full":    {Oplog{First: at(1000), Last: at(4600), Size: 25, MaxSize: 100}, at(3600), migration.OplogWindow{Seconds: 3600, FullSeconds: 14400, RemainingSeconds: 13400}},
		"just begun":        {Oplog{First: at(1000), Last: at(1010), Size: 25, MaxSize: 100}, at(1005), migration.OplogWindow{Seconds: 10, FullSeconds: 40, RemainingSeconds: 35, Young: true}},
		"in its 1st second": {Oplog{First: at(1000), Last: at(1000), Size: 25, MaxSize: 100}, at(1000), migration.OplogWindow{FullSeconds: 4, RemainingSeconds: 4, Young: true}},
		"retention":         {Oplog{First: at(1000), Last: at(4600), Size: 100, MaxSize: 100, Retention: 7200}, at(2000), migration.OplogWindow{Seconds: 3600, FullSeconds: 7200, RemainingSeconds: 4600}},
		"the very first":    {Oplog{First: at(1000), Last: at(4600), Size: 100, MaxSize: 100}, at(1000), migration.OplogWindow{Seconds: 3600, FullSeconds: 3600, RemainingSeconds: 1}},
		"lost":              {Oplog{First: at(1000), Last: at(4600), Size: 100, MaxSize: 100}, at(999), migration.OplogWindow{Seconds: 3600, FullSeconds: 3600}},
		"ahead of the end":  {Oplog{First: at(1000), Last: at(4600), Size: 100, MaxSize: 100}, at(4700), migration.OplogWindow{Seconds: 3600, FullSeconds: 3600, RemainingSeconds: 3600}},
	} {
		if got := c.oplog.Window(c.at); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		if c.oplog.Holds(c.at) == (name == "lost") {
			t.Errorf("%s: holds %v", name, c.oplog.Holds(c.at))
		}
	}
}

// TestOplogForgets: what is told of the oplog is what the change stream finds when
// it is resumed.
func TestOplogForgets(t *testing.T) {
	t.Parallel()
	c := dial(t, devstack.NewReplicaSet(t, devstack.ReplicaSetOptions{Name: "small", OplogMB: 1}).URI())
	stream, err := OpenStream(t.Context(), c, nil, 10)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := stream.Next(t.Context())
	for err == nil && batch != nil && len(batch.PostBatchToken) == 0 {
		batch, err = stream.Next(t.Context())
	}
	if err != nil || batch == nil {
		t.Fatalf("no token: %v", err)
	}
	token := batch.PostBatchToken
	at, err := TokenTime(token)
	if err != nil {
		t.Fatal(err)
	}
	resume := func() error {
		s, err := OpenStream(t.Context(), c, token, 10)
		for range 2 { // the first reply holds nothing
			if err == nil {
				_, err = s.Next(t.Context())
			}
		}
		return err
	}
	o, err := ReadOplog(t.Context(), c)
	if err != nil || !o.Holds(at) || o.MaxSize != 1<<20 || o.Size == 0 || o.Last.Before(o.First) {
		t.Fatalf("%+v holds %s: %v, %v", o, at, o.Holds(at), err)
	}
	if err := resume(); err != nil {
		t.Fatal(err)
	}
	pad := make([]byte, 1<<20)
	for end := time.Now().Add(2 * time.Minute); o.Holds(at); {
		run(t, c, "noise", bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "pad", Value: pad}}}}})
		if next, err := ReadOplog(t.Context(), c); err == nil { // its end may be cut off this moment
			o = next
		}
		if time.Now().After(end) {
			t.Fatal("the oplog does not forget")
		}
	}
	if w := o.Window(at); w.RemainingSeconds != 0 {
		t.Errorf("of a lost position remains %+v", w)
	}
	if err := resume(); migration.KindOf(err) != migration.HistoryLost {
		t.Errorf("resumed: %v", err)
	}
	if err := o.HistoryLost(at); migration.KindOf(err) != migration.HistoryLost {
		t.Error(err)
	}
}

// TestOplogRights: without the size the window is still known; without the ends
// nothing is, and the fault says that a right is missing.
func TestOplogRights(t *testing.T) {
	t.Parallel()
	set := start(t, sharedSet)
	admin := server(t)
	for _, c := range []struct {
		name    string
		actions bson.A
	}{{"ends", bson.A{"find"}}, {"all", bson.A{"find", "collStats"}}, {"none", nil}} {
		privileges := bson.A{bson.D{{Key: "resource", Value: bson.D{{Key: "cluster", Value: true}}}, {Key: "actions", Value: bson.A{"serverStatus"}}}}
		if c.actions != nil {
			privileges = append(privileges, bson.D{{Key: "resource", Value: bson.D{{Key: "db", Value: "local"}, {Key: "collection", Value: "oplog.rs"}}},
				{Key: "actions", Value: c.actions}})
		}
		run(t, admin, "admin", bson.D{{Key: "createRole", Value: "oplog-" + c.name}, {Key: "roles", Value: bson.A{}}, {Key: "privileges", Value: privileges}})
		run(t, admin, "admin", bson.D{{Key: "createUser", Value: "oplog-" + c.name}, {Key: "pwd", Value: "hunter2"}, {Key: "roles", Value: bson.A{"oplog-" + c.name}}})
		user := dial(t, set.URIFor("oplog-"+c.name, "hunter2"))
		o, err := ReadOplog(t.Context(), user)
		switch c.name {
		case "none":
			if migration.KindOf(err) != migration.AccessDenied {
				t.Errorf("%s: %v", c.name, err)
			}
		default:
			if err != nil || o.First.IsZero() || (o.MaxSize > 0) != (c.name == "all") {
				t.Errorf("%s: %+v, %v", c.name, o, err)
			}
		}
	}
}
