package random

import (
	"context"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// replies answers with one reply.
type replies bson.D

func (r replies) Run(context.Context, string, any) (bson.Raw, error) { return bson.Marshal(bson.D(r)) }

// TestBlockedLeavesNoTrace: the log has of an operation that met the write block
// what came before it.
func TestBlockedLeavesNoTrace(t *testing.T) {
	t.Parallel()
	failed := func(index, code int32) bson.D { return d("index", index, "code", code) }
	insert := d("insert", "a", "documents", bson.A{d("_id", "x"), d("_id", "y"), d("_id", "z")}, "ordered", false, "$db", first)
	part := func(n int, more ...bson.E) []bson.D {
		doc := slices.Clone(insert)
		doc[1].Value = doc[1].Value.(bson.A)[:n]
		return []bson.D{append(doc, more...)}
	}
	for name, c := range map[string]struct {
		doc   bson.D
		reply bson.D
		log   []bson.D
	}{
		"a command":           {d("drop", "a", "$db", first), d("ok", 0, "code", int32(371)), nil},
		"the first statement": {insert, d("ok", 1, "writeErrors", bson.A{failed(0, 371)}), nil},
		"the third statement": {insert, d("ok", 1, "writeErrors", bson.A{failed(2, 371)}), part(2)},
		"after another error": {insert, d("ok", 1, "writeErrors", bson.A{failed(0, 11000), failed(1, 371), failed(2, 371)}),
			part(1, bson.E{Key: "$expect", Value: int32(11000)})},
		"a transaction": {d("transaction", bson.A{insert}), d("ok", 1, "writeErrors", bson.A{failed(2, 371)}), nil},
	} {
		w := NewWriter(replies(c.reply), "db")
		code, err := w.Play(t.Context(), c.doc)
		if err != nil || code != WritesBlocked {
			t.Errorf("%s: code %d, %v", name, code, err)
		}
		if got, want := text(t, w.Log), text(t, c.log); got != want {
			t.Errorf("%s: the log is %s, not %s", name, got, want)
		}
	}
}

func text(t *testing.T, log []bson.D) string {
	t.Helper()
	out, err := bson.MarshalExtJSON(d("log", log), true, false)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
