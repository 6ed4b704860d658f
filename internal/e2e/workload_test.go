package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// workload fills a source and keeps writing to it.
type workload struct {
	t      *testing.T
	client *mongo.Client
	stop   context.CancelFunc
	wg     sync.WaitGroup
	writes atomic.Int64
	// acked are the documents whose insert was acknowledged.
	mu    sync.Mutex
	acked []int64
}

const codeWritesBlocked = 371

// workloadRate is how many operations a second a workload does: enough for every
// phase to meet all kinds of them, and few enough for several tests side by side.
const workloadRate = 150

// fill makes collections of many kinds; plain ones get the given number of
// documents of about 1 KB.
func fill(t *testing.T, c *mongo.Client, documents int) {
	t.Helper()
	ctx := context.Background()
	db := c.Database("shop")
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	must(db.CreateCollection(ctx, "log", options.CreateCollection().SetCapped(true).SetSizeInBytes(1<<20).SetMaxDocuments(500)))
	must(db.CreateCollection(ctx, "names", options.CreateCollection().SetCollation(&options.Collation{Locale: "en", Strength: 2})))
	must(db.RunCommand(ctx, bson.D{{Key: "create", Value: "clustered"},
		{Key: "clusteredIndex", Value: bson.D{{Key: "key", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "unique", Value: true}}}}).Err())
	must(db.CreateCollection(ctx, "valid", options.CreateCollection().SetValidator(bson.D{{Key: "n", Value: bson.D{{Key: "$gte", Value: 0}}}})))
	must(db.CreateCollection(ctx, "series", options.CreateCollection().SetTimeSeriesOptions(options.TimeSeries().SetTimeField("t").SetMetaField("m"))))
	_, err := db.Collection("series").InsertMany(ctx, []any{bson.D{{Key: "t", Value: bson.DateTime(1)}, {Key: "m", Value: 1}}, bson.D{{Key: "t", Value: bson.DateTime(2)}}})
	must(err)
	_, err = db.Collection("system.js").InsertOne(ctx, bson.D{{Key: "_id", Value: "f"}, {Key: "value", Value: bson.JavaScript("function () {}")}})
	must(err)
	must(db.CreateView(ctx, "cheap", "orders", bson.A{bson.D{{Key: "$match", Value: bson.D{{Key: "n", Value: bson.D{{Key: "$lt", Value: 5}}}}}}}))
	pad := strings.Repeat("x", 900)
	for from := 0; from < documents; from += 1000 {
		var docs []any
		for i := from; i < min(from+1000, documents); i++ {
			docs = append(docs, bson.D{{Key: "_id", Value: int64(i)}, {Key: "n", Value: int64(i)}, {Key: "kind", Value: i % 7}, {Key: "pad", Value: pad}})
		}
		_, err := db.Collection("orders").InsertMany(ctx, docs)
		must(err)
	}
	for i := range 200 {
		id := fmt.Sprintf("Name%d", i)
		for _, name := range []string{"log", "names", "clustered", "valid"} {
			_, err := db.Collection(name).InsertOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "n", Value: i}})
			must(err)
		}
	}
	_, err = db.Collection("orders").Indexes().CreateMany(ctx, []mongo.IndexModel{
		{Keys: bson.D{{Key: "n", Value: 1}}, Options: options.Index().SetUnique(true)},
		{Keys: bson.D{{Key: "at", Value: 1}}, Options: options.Index().SetExpireAfterSeconds(36000)},
		{Keys: bson.D{{Key: "kind", Value: 1}, {Key: "n", Value: -1}}, Options: options.Index().SetSparse(true)},
	})
	must(err)
}

// startWorkload keeps writing until stopped, at most so many operations a
// second.
func startWorkload(t *testing.T, uri string, perSecond int) *workload {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &workload{t: t, client: connect(t, uri), stop: cancel}
	for n := range 2 {
		w.wg.Go(func() { w.write(ctx, rand.New(rand.NewPCG(uint64(n), 1)), int64(n), perSecond/2) })
	}
	w.wg.Go(func() { w.changeCatalog(ctx) })
	t.Cleanup(w.end)
	return w
}

func (w *workload) end() {
	w.stop()
	w.wg.Wait()
}

func (w *workload) write(ctx context.Context, r *rand.Rand, n int64, perSecond int) {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for i := int64(0); ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		id := int64(1_000_000)*(n+1) + i
		err := w.operation(ctx, r, id)
		switch {
		case ctx.Err() != nil:
			return
		case isRefused(err):
		case err != nil && !isDown(err):
			w.t.Errorf("the workload failed: %v", err)
			return
		case err == nil:
			w.writes.Add(1)
		}
	}
}

// operation is one random write.
func (w *workload) operation(ctx context.Context, r *rand.Rand, id int64) error {
	orders := w.client.Database("shop").Collection("orders")
	some := bson.D{{Key: "_id", Value: r.Int64N(500)}}
	var err error
	switch r.IntN(11) {
	case 0, 1:
		doc := bson.D{{Key: "_id", Value: id}, {Key: "n", Value: id}}
		if _, err = orders.InsertOne(ctx, doc); err == nil {
			w.mu.Lock()
			w.acked = append(w.acked, id)
			w.mu.Unlock()
		}
	case 2:
		_, err = orders.UpdateOne(ctx, some, bson.A{
			bson.D{{Key: "$set", Value: bson.D{{Key: "z" + fmt.Sprint(r.IntN(3)), Value: id}}}},
			bson.D{{Key: "$set", Value: bson.D{{Key: "a" + fmt.Sprint(r.IntN(3)), Value: id}}}},
		})
	case 3:
		_, err = orders.UpdateOne(ctx, some, bson.D{{Key: "$push", Value: bson.D{{Key: "list", Value: bson.D{
			{Key: "$each", Value: bson.A{id}}, {Key: "$slice", Value: -5}}}}}})
	case 4:
		_, err = orders.UpdateOne(ctx, some, bson.D{{Key: "$set", Value: bson.D{{Key: "deep.er", Value: id}}}, {Key: "$unset", Value: bson.D{{Key: "a1", Value: 1}}}})
	case 5:
		_, err = orders.UpdateOne(ctx, some, bson.D{{Key: "$inc", Value: bson.D{{Key: "count", Value: 1}}}})
	case 6:
		_, err = orders.DeleteOne(ctx, bson.D{{Key: "_id", Value: 500 + r.Int64N(1000)}})
	case 7:
		_, err = w.client.Database("shop").Collection("log").InsertOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "n", Value: id}})
	case 8:
		doc := bson.D{{Key: "t", Value: bson.DateTime(1000 * id)}, {Key: "m", Value: id % 3}, {Key: "v", Value: id}}
		_, err = w.client.Database("shop").Collection("series").InsertOne(ctx, doc)
	case 9:
		name := fmt.Sprintf("Name%d", r.IntN(200))
		_, err = w.client.Database("shop").Collection("names").ReplaceOne(ctx, bson.D{{Key: "_id", Value: strings.ToLower(name)}},
			bson.D{{Key: "n", Value: id}}, options.Replace().SetUpsert(true))
	default:
		err = w.swap(ctx, r)
	}
	return err
}

// swap exchanges two unique values in a transaction.
func (w *workload) swap(ctx context.Context, r *rand.Rand) error {
	session, err := w.client.StartSession()
	if err != nil {
		return err
	}
	defer session.EndSession(ctx)
	orders := w.client.Database("shop").Collection("orders")
	a, b := r.Int64N(250), 250+r.Int64N(250)
	_, err = session.WithTransaction(ctx, func(ctx context.Context) (any, error) {
		var first, second bson.M
		if err := orders.FindOne(ctx, bson.D{{Key: "_id", Value: a}}).Decode(&first); err != nil {
			return nil, err
		}
		if err := orders.FindOne(ctx, bson.D{{Key: "_id", Value: b}}).Decode(&second); err != nil {
			return nil, err
		}
		for _, set := range []struct{ id, n any }{{a, -1 - a}, {b, first["n"]}, {a, second["n"]}} {
			if _, err := orders.UpdateOne(ctx, bson.D{{Key: "_id", Value: set.id}}, bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: set.n}}}}); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil
	}
	return err
}

// changeCatalog makes, renames and drops collections and indexes.
func (w *workload) changeCatalog(ctx context.Context) {
	db := w.client.Database("crm")
	for i := 0; ; i++ {
		name := fmt.Sprintf("c%d", i)
		steps := []func() error{
			func() error {
				_, err := db.Collection(name).InsertOne(ctx, bson.D{{Key: "_id", Value: i}, {Key: "x", Value: i}})
				return err
			},
			func() error {
				_, err := db.Collection(name).Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "x", Value: 1}}, Options: options.Index().SetUnique(true)})
				return err
			},
			func() error {
				return w.client.Database("admin").RunCommand(ctx, bson.D{{Key: "renameCollection", Value: "crm." + name},
					{Key: "to", Value: "crm.current"}, {Key: "dropTarget", Value: true}}).Err()
			},
			func() error { return db.Collection(fmt.Sprintf("tmp%d", i)).Drop(ctx) },
			func() error {
				return db.CreateCollection(ctx, fmt.Sprintf("keep%d", i%5))
			},
			func() error { return db.Collection(fmt.Sprintf("keep%d", (i+2)%5)).Drop(ctx) },
		}
		for _, step := range steps {
			if err := step(); err != nil && ctx.Err() == nil && !isRefused(err) && !isDown(err) && !isCatalogRace(err) {
				w.t.Errorf("the catalog workload failed: %v", err)
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
}

// isCatalogRace is what the catalog steps meet after a refused or repeated one.
func isCatalogRace(err error) bool {
	var e mongo.ServerError
	return errors.As(err, &e) && (e.HasErrorCode(26) || e.HasErrorCode(48) || e.HasErrorCode(276))
}

func isRefused(err error) bool {
	var e mongo.ServerError
	return errors.As(err, &e) && e.HasErrorCode(codeWritesBlocked)
}

// isDown says whether the server was away or electing, as tests make it.
func isDown(err error) bool {
	if err == nil {
		return false
	}
	var e mongo.ServerError
	retryable := errors.As(err, &e) && (e.HasErrorLabel("RetryableWriteError") || e.HasErrorLabel("TransientTransactionError") ||
		e.HasErrorCode(91) || e.HasErrorCode(11600) || e.HasErrorCode(189) || e.HasErrorCode(11602) || e.HasErrorCode(10107))
	return retryable || mongo.IsNetworkError(err) || mongo.IsTimeout(err) || strings.Contains(err.Error(), "server selection")
}

// lost gives the acknowledged inserts that are on none of the clusters.
func (w *workload) lost(dest *mongo.Client) []int64 {
	w.t.Helper()
	var lost []int64
	for _, id := range w.acked {
		n, err := dest.Database("shop").Collection("orders").CountDocuments(context.Background(), bson.D{{Key: "_id", Value: id}})
		if err != nil {
			w.t.Fatal(err)
		}
		if n == 0 {
			lost = append(lost, id)
		}
	}
	return lost
}
