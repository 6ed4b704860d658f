package mongodb

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
)

// stream opens a change stream behind a token, or from now.
func stream(t *testing.T, c *Client, after bson.Raw) *Cursor {
	t.Helper()
	s, err := OpenStream(t.Context(), c, after, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	return s
}

// events reads the test's own events until there are n, in as many batches as
// it takes.
func events(t *testing.T, s *Cursor, n int) []bson.Raw {
	t.Helper()
	var found []bson.Raw
	for len(found) < n {
		batch, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		values, err := batch.Documents.Values()
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			if db, _ := v.Document().Lookup("ns", "db").StringValueOK(); db == t.Name() {
				found = append(found, v.Document())
			}
		}
	}
	return found
}

func TestStreamAndTokenTime(t *testing.T) {
	t.Parallel()
	c := server(t)
	s := stream(t, c, nil)
	for i := range 3 {
		insert(t, c, bson.D{{Key: "_id", Value: i}})
	}
	all := events(t, s, 4)
	var last migration.OpTime
	var lastData string
	for i, e := range all {
		// The insert made the collection: only expanded events tell.
		want := map[bool]string{true: "create", false: "insert"}[i == 0]
		if got := e.Lookup("operationType").StringValue(); got != want {
			t.Errorf("event %d: got %s, want %s", i, got, want)
		}
		at, err := TokenTime(e.Lookup("_id").Document())
		if err != nil {
			t.Fatal(err)
		}
		sec, inc := e.Lookup("clusterTime").Timestamp()
		if want := (migration.OpTime{T: sec, I: inc}); at != want || at.Before(last) {
			t.Errorf("event %d: the token says %s, the event %s, the one before %s", i, at, want, last)
		}
		data, err := TokenData(e.Lookup("_id").Document())
		if err != nil || data <= lastData {
			t.Errorf("event %d: token %s is not behind %s (%v)", i, data, lastData, err)
		}
		last, lastData = at, data
	}
}

func TestStreamResumes(t *testing.T) {
	t.Parallel()
	c := server(t)
	s := stream(t, c, nil)
	for i := range 3 {
		insert(t, c, bson.D{{Key: "_id", Value: i}})
	}
	first := events(t, s, 4)
	again := events(t, stream(t, c, first[1].Lookup("_id").Document()), 2)
	for i, e := range again {
		if got, want := e.Lookup("documentKey", "_id").AsInt64(), int64(i+1); got != want {
			t.Errorf("event %d is about %d, want %d", i, got, want)
		}
	}
}

// While nothing happens, the token moves on with the server's own entries, and
// it reaches the time of a note.
func TestIdleStreamReachesANote(t *testing.T) {
	t.Parallel()
	c := server(t)
	s := stream(t, c, nil)
	noted, err := AppendNote(t.Context(), c, t.Name())
	if err != nil {
		t.Fatal(err)
	}
	for {
		batch, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		at, err := TokenTime(batch.PostBatchToken)
		if err != nil {
			t.Fatal(err)
		}
		if !at.Before(noted) {
			return
		}
	}
}

// A token that the oplog does not hold is told as the server's own refusal.
func TestStreamBehindAnUnknownToken(t *testing.T) {
	t.Parallel()
	token := marshal(t, bson.D{{Key: "_data", Value: "not a token"}})
	if _, err := OpenStream(t.Context(), server(t), token, 0); err == nil || Code(err) == 0 || !strings.Contains(err.Error(), "open the change stream") {
		t.Errorf("got %v", err)
	}
}

func TestTokenTimeRefusals(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, want string
		token      bson.D
	}{
		{"no data", "has no _data", bson.D{{Key: "x", Value: 1}}},
		{"data of another type", "has no _data", bson.D{{Key: "_data", Value: 1}}},
		{"short", "too short", bson.D{{Key: "_data", Value: "820000"}}},
		{"no timestamp", "does not begin with a timestamp", bson.D{{Key: "_data", Value: "2900000001000000012B"}}},
		{"no hex", "does not begin with a timestamp", bson.D{{Key: "_data", Value: "82zz000001000000012B"}}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if _, err := TokenTime(marshal(t, tc.token)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	at, err := TokenTime(marshal(t, bson.D{{Key: "_data", Value: "8265F1A2B30000000729"}}))
	if want := (migration.OpTime{T: 0x65F1A2B3, I: 7}); err != nil || at != want {
		t.Errorf("got %s, %v, want %s", at, err, want)
	}
}
