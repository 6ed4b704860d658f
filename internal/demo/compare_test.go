package demo

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// planted are changes to one side, and what the comparison must say of them.
var planted = []struct {
	name   string
	change []bson.D
	want   string
}{
	{"a field", []bson.D{{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{bson.D{
		{Key: "q", Value: bson.D{{Key: "_id", Value: 3}}}, {Key: "u", Value: bson.D{{Key: "$set", Value: bson.D{{Key: "a", Value: -1}}}}},
	}}}}}, `"_id": {"$numberInt":"3"}`},
	{"the order of fields", []bson.D{{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{bson.D{
		{Key: "q", Value: bson.D{{Key: "_id", Value: 3}}}, {Key: "u", Value: bson.D{{Key: "b", Value: 1}, {Key: "a", Value: 3}}},
	}}}}}, "source"},
	{"the type of a number", []bson.D{{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{bson.D{
		{Key: "q", Value: bson.D{{Key: "_id", Value: 3}}}, {Key: "u", Value: bson.D{{Key: "a", Value: int64(3)}, {Key: "b", Value: 1}}},
	}}}}}, "numberLong"},
	{"a document less", []bson.D{{{Key: "delete", Value: "c"}, {Key: "deletes", Value: bson.A{bson.D{
		{Key: "q", Value: bson.D{{Key: "_id", Value: 9}}}, {Key: "limit", Value: 1},
	}}}}}, "the destination lacks _id"},
	{"a document more", []bson.D{{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: 99}}}}}},
		"the destination alone has _id"},
	{"an index less", []bson.D{{{Key: "dropIndexes", Value: "c"}, {Key: "index", Value: "a_1"}}}, "indexes"},
	{"an index that is not unique", []bson.D{
		{{Key: "dropIndexes", Value: "c"}, {Key: "index", Value: "a_1"}},
		{{Key: "createIndexes", Value: "c"}, {Key: "indexes", Value: bson.A{bson.D{{Key: "key", Value: bson.D{{Key: "a", Value: 1}}}, {Key: "name", Value: "a_1"}}}}},
	}, "unique"},
	{"a validator", []bson.D{{{Key: "collMod", Value: "c"}, {Key: "validator", Value: bson.D{{Key: "x", Value: 1}}}}}, "options"},
	{"a collection less", []bson.D{{{Key: "drop", Value: "c"}}}, "missing on the destination"},
	{"a collection more", []bson.D{{{Key: "create", Value: "other"}}}, "on the destination alone"},
	{"a view's pipeline", []bson.D{{{Key: "collMod", Value: "v"}, {Key: "viewOn", Value: "c"},
		{Key: "pipeline", Value: bson.A{bson.D{{Key: "$limit", Value: 1}}}}}}, "options"},
	{"a stored function", []bson.D{{{Key: "insert", Value: "system.js"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: "f"}}}}}}, "on the destination alone"},
	{"a measurement", []bson.D{{{Key: "insert", Value: "series"}, {Key: "documents", Value: bson.A{bson.D{{Key: "t", Value: bson.DateTime(1)}}}}}},
		"system.buckets.series: the destination alone has _id"},
	{"the order of a capped collection", []bson.D{
		{{Key: "drop", Value: "log"}},
		{{Key: "create", Value: "log"}, {Key: "capped", Value: true}, {Key: "size", Value: 4096}},
		{{Key: "insert", Value: "log"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: 2}}, bson.D{{Key: "_id", Value: 1}}}}},
	}, "another order"},
}

// TestCompareFinds plants one difference at a time.
func TestCompareFinds(t *testing.T) {
	t.Parallel()
	source, destination := pair(t)
	makeSame(t, source.Database("d"))
	for _, p := range planted {
		t.Run(p.name, func(t *testing.T) {
			db := destination.Database("d")
			if err := db.Drop(t.Context()); err != nil {
				t.Fatal(err)
			}
			makeSame(t, db)
			if diffs := compare(t, source, destination); len(diffs) > 0 {
				t.Fatalf("equal sides differ: %v", diffs)
			}
			for _, command := range p.change {
				if err := db.RunCommand(t.Context(), command).Err(); err != nil {
					t.Fatal(err)
				}
			}
			diffs := compare(t, source, destination)
			if len(diffs) != 1 || !strings.Contains(diffs[0], p.want) {
				t.Errorf("differences are %q, want one with %q", diffs, p.want)
			}
		})
	}
}

// makeSame fills a database always in the same way.
func makeSame(t *testing.T, db *mongo.Database) {
	t.Helper()
	ctx := t.Context()
	var docs []any
	for i := range 10 {
		docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "a", Value: i}, {Key: "b", Value: 1}})
	}
	if _, err := db.Collection("c").InsertMany(ctx, docs); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Collection("c").Indexes().CreateOne(ctx, mongo.IndexModel{
		Keys: bson.D{{Key: "a", Value: 1}}, Options: options.Index().SetUnique(true),
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.CreateCollection(ctx, "log", options.CreateCollection().SetCapped(true).SetSizeInBytes(4096)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Collection("log").InsertMany(ctx, []any{bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "_id", Value: 2}}}); err != nil {
		t.Fatal(err)
	}
	if err := db.CreateCollection(ctx, "series", options.CreateCollection().SetTimeSeriesOptions(options.TimeSeries().SetTimeField("t"))); err != nil {
		t.Fatal(err)
	}
	if err := db.CreateView(ctx, "v", "c", bson.A{}); err != nil {
		t.Fatal(err)
	}
}
