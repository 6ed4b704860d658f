package initialsync

import (
	"maps"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/devstack"
	"mongoferry/internal/enginetest"
	"mongoferry/internal/partition"
)

// TestCopyOfEmptyTimestamps: a destination of an early patch level puts the present time
// in place of empty timestamps; they get there all the same, once, in their order, and
// what is there already stays.
func TestCopyOfEmptyTimestamps(t *testing.T) {
	t.Parallel()
	old := enginetest.Dial(t, "destination", devstack.NewOldReplicaSet(t).URI())
	all := kinds()
	maps.Copy(all, map[string][]bson.E{"capped": {{Key: "capped", Value: true}, {Key: "size", Value: 1 << 20}}})
	for name, options := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var docs []any
			for i := range 100 {
				docs = append(docs, d("_id", i, "below", d("at", bson.Timestamp{}), "at", bson.Timestamp{T: 1}))
			}
			docs[50].(bson.D)[0].Value = d("of", "another type")
			k := newCopyingOn(t, enginetest.Source(t), old, docs, options...)
			k.run(d("update", "c", "updates", bson.A{d("q", d("_id", d("$mod", bson.A{5, 0})), "u", d("$set", d("at", bson.Timestamp{})), "multi", true)}))
			k.run(d("update", "c", "updates", bson.A{d("q", d("_id", d("$gte", 90)), "u", d("$set", d("at", bson.Timestamp{})), "multi", true)}))
			k.run(d("update", "c", "updates", bson.A{d("q", d("_id.of", "another type"), "u", d("$set", d("at", bson.Timestamp{})))}))
			part := partition.Whole(k.c)
			for range 2 {
				done, err := Copy(t.Context(), k.task(part, func(Progress) {}))
				if err != nil || done.Documents != 100 {
					t.Fatalf("%d documents, %v", done.Documents, err)
				}
				k.same()
			}
			if name == "capped" {
				return // it begins anew each time
			}
			enginetest.Run(t, old, k.ns.DB, d("update", "c", "updates", bson.A{d("q", d(), "u", d("$set", d("newer", true)), "multi", true)}))
			if _, err := Copy(t.Context(), k.task(part, func(Progress) {})); err != nil {
				t.Fatal(err)
			}
			for _, doc := range k.documents(old) {
				if _, err := bson.Raw(doc).LookupErr("newer"); err != nil {
					t.Fatalf("a newer document was overwritten: %s", bson.Raw(doc))
				}
			}
		})
	}
}
