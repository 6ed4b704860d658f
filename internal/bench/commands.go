package bench

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// Write concerns: what the tool writes with, and what is enough for what nothing is
// measured by.
var (
	durable  = bsoncore.NewDocumentBuilder().AppendString("w", "majority").AppendBoolean("j", true).Build()
	majority = bsoncore.NewDocumentBuilder().AppendString("w", "majority").Build()
)

// send sends a write command, complete but for the write concern; a statement that is
// refused is an error. It gives how many documents were met.
func send(ctx context.Context, c *mongodb.Client, db string, b *bsoncore.DocumentBuilder, concern bsoncore.Document) (int64, error) {
	reply, err := c.RunRaw(ctx, db, bson.Raw(b.AppendDocument("writeConcern", concern).Build()))
	if err != nil {
		return 0, err
	}
	if refused, ok := reply.Lookup("writeErrors").ArrayOK(); ok {
		return 0, fmt.Errorf("the server refused writes: %s", bson.Raw(refused))
	}
	n, _ := reply.Lookup("n").AsInt64OK()
	return n, nil
}

// insert sends one insert as a plain client does.
func insert(ctx context.Context, c *mongodb.Client, ns migration.Namespace, documents bson.RawArray, concern bsoncore.Document) error {
	b := bsoncore.NewDocumentBuilder().AppendString("insert", ns.Collection).AppendBoolean("ordered", false).
		AppendArray("documents", bsoncore.Array(documents))
	_, err := send(ctx, c, ns.DB, b, concern)
	return err
}

func create(ctx context.Context, c *mongodb.Client, ns migration.Namespace) error {
	_, err := c.Run(ctx, ns.DB, bson.D{{Key: "create", Value: ns.Collection}, mongodb.Durable()})
	return err
}

// buildIndexes builds them all in one command.
func buildIndexes(ctx context.Context, c *mongodb.Client, ns migration.Namespace, keys []bson.D) error {
	if len(keys) == 0 {
		return nil
	}
	specs := bson.A{}
	for i, key := range keys {
		specs = append(specs, bson.D{{Key: "key", Value: key}, {Key: "name", Value: fmt.Sprintf("index_%d", i)}})
	}
	_, err := c.Run(ctx, ns.DB, bson.D{
		{Key: "createIndexes", Value: ns.Collection}, {Key: "indexes", Value: specs}, mongodb.Durable(),
	})
	return err
}

// reset drops databases and waits until the server has written down what came before:
// no measurement pays for the one before it.
func reset(ctx context.Context, c *mongodb.Client, databases ...string) error {
	for _, db := range databases {
		if _, err := c.Run(ctx, db, bson.D{{Key: "dropDatabase", Value: 1}, mongodb.Durable()}); err != nil {
			return fmt.Errorf("drop %s: %w", db, err)
		}
	}
	return checkpoint(ctx, c)
}

func checkpoint(ctx context.Context, c *mongodb.Client) error {
	if _, err := c.Run(ctx, "admin", bson.D{{Key: "fsync", Value: 1}}); err != nil {
		return fmt.Errorf("write a checkpoint: %w", err)
	}
	return nil
}

// holds wants so many documents in the database: what was not copied was not copied
// fast.
func holds(ctx context.Context, c *mongodb.Client, documents int64) error {
	reply, err := c.Run(ctx, database, bson.D{{Key: "dbStats", Value: 1}})
	if err != nil {
		return err
	}
	if n, _ := reply.Lookup("objects").AsInt64OK(); n != documents {
		return fmt.Errorf("the %s holds %d documents, and should hold %d", c.Name(), n, documents)
	}
	return nil
}
