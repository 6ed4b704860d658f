package initialsync

import (
	"encoding/binary"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// FuzzInspect: bytes that are no array of documents are an error, and of one that
// is the driver counts as many and finds the same last _id.
func FuzzInspect(f *testing.F) {
	for _, docs := range []bson.A{{}, {bson.D{{Key: "_id", Value: 1}}}, {bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "x", Value: 1}, {Key: "_id", Value: "last"}}}} {
		_, data, err := bson.MarshalValue(docs)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := inspect(data)
		if bson.RawArray(data).Validate() != nil || len(data) != int(binary.LittleEndian.Uint32(data)) {
			return // no panic is all that is wanted; what a reply holds is as long as it says
		}
		values, readErr := bson.RawArray(data).Values()
		if readErr != nil {
			return
		}
		var last bson.RawValue
		for _, v := range values {
			doc, ok := v.DocumentOK()
			if !ok {
				if err == nil {
					t.Fatalf("%x holds something else than documents, and passes", data)
				}
				return
			}
			last = doc.Lookup("_id")
		}
		switch {
		case len(values) > 0 && last.IsZero():
			if err == nil {
				t.Fatal("a last document without _id passes")
			}
		case err != nil:
			t.Fatal(err)
		case b.count != int64(len(values)) || !b.lastID.Equal(last):
			t.Fatalf("%d documents and last %s, want %d and %s", b.count, b.lastID, len(values), last)
		}
	})
}
