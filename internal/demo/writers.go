package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// writers is how many clients write side by side.
const writers = 4

// codeWritesBlocked is the answer of a server that refuses writes.
const codeWritesBlocked = 371

// Writers write to the source like applications that know nothing of a
// migration, and remember what was acknowledged.
type Writers struct {
	client *mongo.Client
	stop   context.CancelFunc
	wg     sync.WaitGroup
	count  atomic.Int64

	// clicks lets one client at a time write to the capped collection: the server
	// itself gives concurrent inserts another order in the oplog, and so on its
	// secondaries, than on the primary.
	clicks sync.Mutex

	mu       sync.Mutex
	inserted []int64
	failed   error
}

// StartWriters writes at about the given rate a second, and changes the catalog,
// until Stop.
func StartWriters(ctx context.Context, c *mongo.Client, rate int) *Writers {
	ctx, stop := context.WithCancel(ctx)
	w := &Writers{client: c, stop: stop}
	for n := range writers {
		w.wg.Go(func() { w.write(ctx, n, rate) })
	}
	w.wg.Go(func() { w.changeCatalog(ctx) })
	return w
}

// Stop ends the writing and gives the number of acknowledged writes, and the
// error that ended it early, if any. A refusal is none.
func (w *Writers) Stop() (int64, error) {
	w.stop()
	w.wg.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count.Load(), w.failed
}

// Lost gives the acknowledged inserts that are not on a cluster.
func (w *Writers) Lost(ctx context.Context, c *mongo.Client) ([]int64, error) {
	w.mu.Lock()
	inserted := slices.Clone(w.inserted)
	w.mu.Unlock()
	var lost []int64
	orders := c.Database(shop).Collection("orders")
	for chunk := range slices.Chunk(inserted, perInsert) {
		var found []struct {
			ID int64 `bson:"_id"`
		}
		cursor, err := orders.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: chunk}}}},
			options.Find().SetProjection(bson.D{{Key: "_id", Value: 1}}))
		if err != nil {
			return nil, fmt.Errorf("look for acknowledged writes: %w", err)
		}
		if err := cursor.All(ctx, &found); err != nil {
			return nil, fmt.Errorf("look for acknowledged writes: %w", err)
		}
		there := map[int64]bool{}
		for _, f := range found {
			there[f.ID] = true
		}
		for _, id := range chunk {
			if !there[id] {
				lost = append(lost, id)
			}
		}
	}
	return lost, nil
}

func (w *Writers) write(ctx context.Context, n, rate int) {
	tick := time.NewTicker(time.Second * writers / time.Duration(max(rate, 1)))
	defer tick.Stop()
	r := rand.New(rand.NewPCG(uint64(n), 7)) //nolint:gosec // data, not secrets
	for i := int64(0); ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := w.operation(ctx, r, int64(n+1)*10_000_000+i)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			w.count.Add(1)
		case !Refused(err):
			w.fail(err)
			return
		}
	}
}

func (w *Writers) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed = errors.Join(w.failed, err)
}

// hot are the orders that are updated again and again.
const hot = 2000

func (w *Writers) operation(ctx context.Context, r *rand.Rand, id int64) error {
	orders := w.client.Database(shop).Collection("orders")
	some := bson.D{{Key: "_id", Value: r.Int64N(hot)}}
	var err error
	switch r.IntN(10) {
	case 0, 1:
		if _, err = orders.InsertOne(ctx, Order(id, "new")); err == nil {
			w.mu.Lock()
			w.inserted = append(w.inserted, id)
			w.mu.Unlock()
		}
	case 2:
		_, err = orders.UpdateOne(ctx, some, bson.A{
			bson.D{{Key: "$set", Value: bson.D{{Key: fmt.Sprintf("z%d", r.IntN(3)), Value: id}}}},
			bson.D{{Key: "$set", Value: bson.D{{Key: fmt.Sprintf("a%d", r.IntN(3)), Value: id}}}},
		})
	case 3:
		_, err = orders.UpdateOne(ctx, some, bson.D{{Key: "$push", Value: bson.D{{Key: "items", Value: bson.D{
			{Key: "$each", Value: bson.A{id}}, {Key: "$slice", Value: -5}}}}}})
	case 4:
		_, err = orders.UpdateOne(ctx, some, bson.D{{Key: "$set", Value: bson.D{{Key: "status.code", Value: id}}}, {Key: "$unset", Value: bson.D{{Key: "a1", Value: ""}}}})
	case 5:
		_, err = orders.ReplaceOne(ctx, bson.D{{Key: "_id", Value: hot + r.Int64N(hot)}}, bson.D{{Key: "number", Value: -id}, {Key: "note", Value: "replaced"}},
			options.Replace().SetUpsert(true))
	case 6:
		_, err = orders.DeleteOne(ctx, bson.D{{Key: "_id", Value: 2*hot + r.Int64N(hot)}})
	case 7:
		err = w.click(ctx, id)
	case 8:
		_, err = w.client.Database(shop).Collection("readings").InsertOne(ctx, Reading(id))
	default:
		err = w.transaction(ctx, r)
	}
	return err
}

func (w *Writers) click(ctx context.Context, id int64) error {
	w.clicks.Lock()
	defer w.clicks.Unlock()
	_, err := w.client.Database(shop).Collection("events").InsertOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "what", Value: "clicked"}})
	return err
}

// transaction moves a total from one order to another.
func (w *Writers) transaction(ctx context.Context, r *rand.Rand) error {
	session, err := w.client.StartSession()
	if err != nil {
		return err
	}
	defer session.EndSession(ctx)
	orders := w.client.Database(shop).Collection("orders")
	_, err = session.WithTransaction(ctx, func(ctx context.Context) (any, error) {
		for _, by := range []int{1, -1} {
			_, err := orders.UpdateOne(ctx, bson.D{{Key: "_id", Value: r.Int64N(hot)}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "total", Value: by}}}})
			if err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	return err
}

// Refused says whether a server refuses writes for now.
func Refused(err error) bool {
	var e mongo.ServerError
	return errors.As(err, &e) && e.HasErrorCode(codeWritesBlocked)
}
