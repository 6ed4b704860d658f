package demo

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Databases of the demo.
const (
	shop = "shop"
	crm  = "crm"
	odd  = "odd"
)

// perInsert is how many documents one insert holds.
const perInsert = 1000

// Fill makes collections of every kind that is migrated, in several databases,
// with about as many documents as asked for.
func Fill(ctx context.Context, c *mongo.Client, documents int) error {
	steps := []func() error{
		func() error { return createCollections(ctx, c) },
		func() error { return fillOrders(ctx, c.Database(shop).Collection("orders"), documents) },
		func() error { return fillSmall(ctx, c) },
		func() error { return fillMixedIDs(ctx, c.Database(odd).Collection("ids")) },
		func() error { return fillSizes(ctx, c.Database(odd).Collection("sizes")) },
		func() error { return createIndexes(ctx, c) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("fill the source: %w", err)
		}
	}
	return nil
}

func createCollections(ctx context.Context, c *mongo.Client) error {
	for _, create := range []bson.D{
		{{Key: "create", Value: "events"}, {Key: "capped", Value: true}, {Key: "size", Value: 1 << 20}, {Key: "max", Value: 1000}},
		{{Key: "create", Value: "sessions"}, {Key: "clusteredIndex", Value: bson.D{{Key: "key", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "unique", Value: true}}}},
		{{Key: "create", Value: "people"}, {Key: "collation", Value: bson.D{{Key: "locale", Value: "en"}, {Key: "strength", Value: 2}}}},
		{{Key: "create", Value: "stock"}, {Key: "validator", Value: bson.D{{Key: "count", Value: bson.D{{Key: "$gte", Value: 0}}}}}},
		{{Key: "create", Value: "large_orders"}, {Key: "viewOn", Value: "orders"},
			{Key: "pipeline", Value: bson.A{bson.D{{Key: "$match", Value: bson.D{{Key: "total", Value: bson.D{{Key: "$gt", Value: 900}}}}}}}}},
		{{Key: "create", Value: "readings"}, {Key: "timeseries", Value: bson.D{{Key: "timeField", Value: "at"}, {Key: "metaField", Value: "sensor"}}}},
		{{Key: "create", Value: "empty"}},
	} {
		if err := c.Database(shop).RunCommand(ctx, create).Err(); err != nil {
			return err
		}
	}
	return nil
}

// fillOrders makes the bulk of the data: documents of about 500 bytes.
func fillOrders(ctx context.Context, orders *mongo.Collection, n int) error {
	note := strings.Repeat("lorem ipsum ", 30)
	for from := 0; from < n; from += perInsert {
		docs := make([]any, 0, perInsert)
		for i := from; i < min(from+perInsert, n); i++ {
			docs = append(docs, Order(int64(i), note))
		}
		if _, err := orders.InsertMany(ctx, docs, options.InsertMany().SetOrdered(false)); err != nil {
			return err
		}
	}
	return nil
}

// Order is a document of the collection that the writers write to.
func Order(i int64, note string) bson.D {
	return bson.D{
		{Key: "_id", Value: i}, {Key: "number", Value: i}, {Key: "customer", Value: i % 5000}, {Key: "total", Value: i * 7 % 1000},
		{Key: "at", Value: time.Unix(1_700_000_000+i, 0)}, {Key: "expires", Value: time.Now().Add(24 * time.Hour).Truncate(time.Second)},
		{Key: "place", Value: bson.D{{Key: "type", Value: "Point"}, {Key: "coordinates", Value: bson.A{float64(i%360) - 180, float64(i%180) - 90}}}},
		{Key: "items", Value: bson.A{i, i + 1, i + 2}}, {Key: "note", Value: note},
	}
}

// Reading is a measurement of one of some sensors.
func Reading(i int64) bson.D {
	return bson.D{{Key: "at", Value: time.Unix(1_700_000_000+i, 0)}, {Key: "sensor", Value: i % 5}, {Key: "value", Value: float64(i%40) / 2}}
}

// fillSmall puts some documents into every small collection.
func fillSmall(ctx context.Context, c *mongo.Client) error {
	for _, name := range []string{"events", "sessions", "people", "stock"} {
		docs := make([]any, 500)
		for i := range docs {
			docs[i] = bson.D{{Key: "_id", Value: fmt.Sprintf("Id%d", i)}, {Key: "count", Value: i}, {Key: "attributes", Value: bson.D{{Key: "color", Value: i % 7}, {Key: "size", Value: i % 11}}}}
		}
		if _, err := c.Database(shop).Collection(name).InsertMany(ctx, docs); err != nil {
			return err
		}
	}
	readings := make([]any, 500)
	for i := range readings {
		readings[i] = Reading(int64(i))
	}
	if _, err := c.Database(shop).Collection("readings").InsertMany(ctx, readings); err != nil {
		return err
	}
	function := bson.D{{Key: "_id", Value: "twice"}, {Key: "value", Value: bson.JavaScript("function (n) { return 2 * n }")}}
	if _, err := c.Database(shop).Collection("system.js").InsertOne(ctx, function); err != nil {
		return err
	}
	for n := range 20 {
		_, err := c.Database(crm).Collection(fmt.Sprintf("region%d", n)).InsertOne(ctx, bson.D{{Key: "n", Value: n}})
		if err != nil {
			return err
		}
	}
	return nil
}

// fillMixedIDs makes documents with an _id of every type that can be one.
func fillMixedIDs(ctx context.Context, ids *mongo.Collection) error {
	decimal, err := bson.ParseDecimal128("12345678901234567890.5")
	if err != nil {
		return err
	}
	values := []any{
		bson.MinKey{}, nil, math.NaN(), math.Inf(-1), -1.5, int32(0), int64(1) << 40, decimal, "text", "",
		bson.D{{Key: "a", Value: 1}, {Key: "b", Value: "x"}}, bson.D{}, bson.Binary{Subtype: 4, Data: make([]byte, 16)},
		bson.Binary{Data: []byte("bytes")}, bson.ObjectID{1, 2, 3}, true, false, bson.DateTime(1_700_000_000_000),
		bson.Timestamp{T: 7, I: 1}, bson.MaxKey{},
	}
	docs := make([]any, len(values))
	for i, v := range values {
		docs[i] = bson.D{{Key: "_id", Value: v}, {Key: "position", Value: i}}
	}
	_, err = ids.InsertMany(ctx, docs)
	return err
}

// fillSizes makes documents from 100 bytes to 10 MB.
func fillSizes(ctx context.Context, sizes *mongo.Collection) error {
	for size := 100; size <= 10_000_000; size *= 10 {
		doc := bson.D{{Key: "_id", Value: size}, {Key: "data", Value: bson.Binary{Data: make([]byte, size)}}}
		if _, err := sizes.InsertOne(ctx, doc); err != nil {
			return err
		}
	}
	return nil
}

func createIndexes(ctx context.Context, c *mongo.Client) error {
	index := func(keys bson.D, o *options.IndexOptionsBuilder) mongo.IndexModel {
		return mongo.IndexModel{Keys: keys, Options: o}
	}
	one := func(name string, kind any) bson.D { return bson.D{{Key: name, Value: kind}} }
	_, err := c.Database(shop).Collection("orders").Indexes().CreateMany(ctx, []mongo.IndexModel{
		index(one("number", 1), options.Index().SetUnique(true)),
		index(bson.D{{Key: "customer", Value: 1}, {Key: "at", Value: -1}}, nil),
		index(one("expires", 1), options.Index().SetExpireAfterSeconds(0)),
		index(one("total", 1), options.Index().SetPartialFilterExpression(bson.D{{Key: "total", Value: bson.D{{Key: "$gt", Value: 500}}}})),
		index(one("place", "2dsphere"), nil),
		index(one("items", 1), options.Index().SetHidden(true)),
	})
	if err != nil {
		return err
	}
	_, err = c.Database(shop).Collection("stock").Indexes().CreateMany(ctx, []mongo.IndexModel{
		index(one("note", "text"), nil), index(one("attributes.$**", 1), nil), index(one("count", "hashed"), nil),
	})
	return err
}
