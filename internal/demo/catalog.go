package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// catalogPause is between two catalog changes.
const catalogPause = 150 * time.Millisecond

// changeCatalog makes, changes, renames and drops collections and indexes.
func (w *Writers) changeCatalog(ctx context.Context) {
	for i := 0; ; i++ {
		for _, step := range w.catalogSteps(i) {
			err := step(ctx)
			if ctx.Err() != nil {
				return
			}
			if err != nil && !Refused(err) && !afterRefusal(err) {
				w.fail(err)
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(catalogPause):
			}
		}
	}
}

// catalogSteps is one round of changes; the round's number makes their names.
func (w *Writers) catalogSteps(i int) []func(context.Context) error {
	db := w.client.Database(crm)
	fresh := db.Collection(fmt.Sprintf("fresh%d", i))
	orders := w.client.Database(shop).Collection("orders")
	return []func(context.Context) error{
		func(ctx context.Context) error {
			_, err := fresh.InsertOne(ctx, bson.D{{Key: "_id", Value: i}, {Key: "x", Value: i}})
			return err
		},
		func(ctx context.Context) error {
			_, err := fresh.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "x", Value: 1}}, Options: options.Index().SetUnique(true)})
			return err
		},
		func(ctx context.Context) error {
			return db.RunCommand(ctx, bson.D{{Key: "collMod", Value: fresh.Name()}, {Key: "validationLevel", Value: "moderate"},
				{Key: "validator", Value: bson.D{{Key: "x", Value: bson.D{{Key: "$gte", Value: 0}}}}}}).Err()
		},
		func(ctx context.Context) error {
			return w.client.Database("admin").RunCommand(ctx, bson.D{{Key: "renameCollection", Value: crm + "." + fresh.Name()},
				{Key: "to", Value: crm + ".latest"}, {Key: "dropTarget", Value: true}}).Err()
		},
		func(ctx context.Context) error {
			_, err := orders.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "status.code", Value: 1}}, Options: options.Index().SetName("temporary").SetSparse(true)})
			return err
		},
		func(ctx context.Context) error { return orders.Indexes().DropOne(ctx, "temporary") },
		func(ctx context.Context) error { return db.Collection("reborn").Drop(ctx) },
		func(ctx context.Context) error {
			_, err := db.Collection("reborn").InsertOne(ctx, bson.D{{Key: "_id", Value: i}})
			return err
		},
	}
}

// afterRefusal says whether an error is what follows when an earlier step of the
// round was refused: what it would have made is not there.
func afterRefusal(err error) bool {
	const namespaceNotFound, indexNotFound, namespaceExists, buildAborted = 26, 27, 48, 276
	var e mongo.ServerError
	if !errors.As(err, &e) {
		return false
	}
	for _, code := range []int{namespaceNotFound, indexNotFound, namespaceExists, buildAborted} {
		if e.HasErrorCode(code) {
			return true
		}
	}
	return false
}
