package mongodb

import (
	"fmt"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func TestAllReadsEveryBatch(t *testing.T) {
	t.Parallel()
	c := server(t)
	const want = 11
	for i := range want {
		insert(t, c, bson.D{{Key: "_id", Value: i}})
	}
	for _, size := range []int32{0, 1, 2, want, 100} {
		docs, err := All(t.Context(), c, t.Name(), bson.D{
			{Key: "find", Value: "c"}, {Key: "sort", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "batchSize", Value: size},
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(docs) != want {
			t.Errorf("first batch of %d: got %d documents, want %d", size, len(docs), want)
		}
		for i, doc := range docs {
			if doc.Lookup("_id").AsInt64() != int64(i) {
				t.Errorf("first batch of %d: document %d is %s", size, i, doc)
			}
		}
	}
}

// More collections than one reply holds: listCollections runs on a cursor whose
// name is no collection's.
func TestAllReadsCatalogs(t *testing.T) {
	t.Parallel()
	c := server(t)
	for i := range 5 {
		run(t, c, t.Name(), bson.D{{Key: "create", Value: fmt.Sprint("c", i)}})
	}
	docs, err := All(t.Context(), c, t.Name(), bson.D{
		{Key: "listCollections", Value: 1}, {Key: "cursor", Value: bson.D{{Key: "batchSize", Value: 2}}},
	})
	if err != nil || len(docs) != 5 {
		t.Errorf("got %d collections, %v", len(docs), err)
	}
	indexes, err := All(t.Context(), c, t.Name(), bson.D{{Key: "listIndexes", Value: "c0"}})
	if err != nil || len(indexes) != 1 {
		t.Errorf("got %d indexes, %v", len(indexes), err)
	}
}

func TestCursorKeepsBatchSize(t *testing.T) {
	t.Parallel()
	c := server(t)
	for i := range 7 {
		insert(t, c, bson.D{{Key: "_id", Value: i}})
	}
	cursor, err := Open(t.Context(), c, t.Name(), bson.D{{Key: "find", Value: "c"}, {Key: "batchSize", Value: 3}}, 3, 0)
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for {
		batch, err := cursor.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if batch == nil {
			break
		}
		values, err := batch.Documents.Values()
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(values))
	}
	if fmt.Sprint(sizes) != "[3 3 1]" {
		t.Errorf("got batches of %v", sizes)
	}
	if err := cursor.Close(t.Context()); err != nil {
		t.Errorf("close an exhausted cursor: %v", err)
	}
}

func TestCloseKillsTheCursor(t *testing.T) {
	t.Parallel()
	c := server(t)
	insert(t, c, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "_id", Value: 2}})
	cursor, err := Open(t.Context(), c, t.Name(), bson.D{{Key: "find", Value: "c"}, {Key: "batchSize", Value: 1}}, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := cursor.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = c.Run(t.Context(), t.Name(), bson.D{{Key: "getMore", Value: cursor.id}, {Key: "collection", Value: "c"}})
	if Code(err) != CodeCursorNotFound {
		t.Errorf("getMore after Close: got %v, want code %d", err, CodeCursorNotFound)
	}
	if err := cursor.Close(t.Context()); err != nil {
		t.Errorf("close again: %v", err)
	}
}

// The array of a reply is handed on as the documents of an insert without being
// read: even what no decoder of ours would give back alike stays as it is.
func TestBatchBecomesInsert(t *testing.T) {
	t.Parallel()
	c := server(t)
	odd := bson.D{
		{Key: "_id", Value: 1}, {Key: "twice", Value: 1}, {Key: "twice", Value: "2"}, {Key: "", Value: bson.Symbol("s")},
		{Key: "nan", Value: bson.RawValue{Type: bson.TypeDouble, Value: []byte{1, 0, 0, 0, 0, 0, 0xf8, 0x7f}}},
		{Key: "a.b", Value: bson.D{{Key: "$x", Value: bson.Undefined{}}}},
	}
	insert(t, c, odd, bson.D{{Key: "_id", Value: 2}})
	cursor, err := Open(t.Context(), c, t.Name(), bson.D{{Key: "find", Value: "c"}}, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := cursor.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	command := marshal(t, bson.D{
		{Key: "insert", Value: "copy"}, {Key: "documents", Value: bson.RawValue{Type: bson.TypeArray, Value: batch.Documents}},
	})
	reply, err := slot(t, c, 1).Write(t.Context(), t.Name(), command)
	if err != nil || reply.N != 2 {
		t.Fatalf("got %+v, %v", reply, err)
	}
	copied, err := All(t.Context(), c, t.Name(), bson.D{{Key: "find", Value: "copy"}})
	if err != nil {
		t.Fatal(err)
	}
	if string(copied[0]) != string(marshal(t, odd)) {
		t.Errorf("got %s, want %s", copied[0], marshal(t, odd))
	}
}

func TestOpenRefusals(t *testing.T) {
	t.Parallel()
	c := server(t)
	cases := []struct {
		name, want string
		command    bson.D
	}{
		{"no cursor", "holds no cursor", bson.D{{Key: "ping", Value: 1}}},
		{"server", "batchSize", bson.D{{Key: "find", Value: "c"}, {Key: "batchSize", Value: -1}}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if _, err := All(t.Context(), c, "db", tc.command); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
