package replication

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/mongodb"
)

// changeLog remembers, in the metadata database, the last catalog change that
// was begun and the last that was done. Tokens compare in the order of the
// stream.
type changeLog struct {
	dst      *mongodb.Client
	metaDB   string
	lastDone string
}

const changesCollection = "changes"

func (l *changeLog) load(ctx context.Context) error {
	docs, err := mongodb.All(ctx, l.dst, l.metaDB, bson.D{
		{Key: "find", Value: changesCollection}, {Key: "filter", Value: bson.D{{Key: "_id", Value: "last"}}},
		{Key: "readConcern", Value: bson.D{{Key: "level", Value: "majority"}}},
	})
	if err != nil {
		return fmt.Errorf("read the log of catalog changes: %w", err)
	}
	if len(docs) > 0 {
		l.lastDone, _ = docs[0].Lookup("done").StringValueOK()
	}
	return nil
}

// isDone says whether an earlier run has carried this change out.
func (l *changeLog) isDone(token bson.Raw) (bool, error) {
	data, err := mongodb.TokenData(token)
	return err == nil && data <= l.lastDone, err
}

func (l *changeLog) intend(ctx context.Context, token bson.Raw, what string) error {
	return l.write(ctx, token, "intent", what)
}

func (l *changeLog) done(ctx context.Context, token bson.Raw, what string) error {
	if err := l.write(ctx, token, "done", what); err != nil {
		return err
	}
	data, err := mongodb.TokenData(token)
	l.lastDone = data
	return err
}

func (l *changeLog) write(ctx context.Context, token bson.Raw, field, what string) error {
	data, err := mongodb.TokenData(token)
	if err != nil {
		return err
	}
	err = l.dst.Write(ctx, l.metaDB, bson.D{
		{Key: "update", Value: changesCollection},
		{Key: "updates", Value: bson.A{bson.D{
			{Key: "q", Value: bson.D{{Key: "_id", Value: "last"}}},
			{Key: "u", Value: bson.D{{Key: "$set", Value: bson.D{{Key: field, Value: data}, {Key: "what", Value: what}}}}},
			{Key: "upsert", Value: true},
		}}},
	})
	if err != nil {
		return fmt.Errorf("write the log of catalog changes: %w", err)
	}
	return nil
}
