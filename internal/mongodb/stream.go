package mongodb

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// StreamAwaitMS is how long a change stream waits for events before it answers
// with an empty batch and a moved-on token.
const StreamAwaitMS = 300

// OpenStream opens a change stream over the whole deployment, from now or behind
// a resume token. Its events are expanded; updates come as the server wrote them
// into its oplog (rawUpdateDescription), since the usual description does not
// tell a field that was changed in its place from one that moved to the end;
// events of buckets and stored functions are among them; and events larger than a
// document arrive split.
func OpenStream(ctx context.Context, c *Client, resumeAfter bson.Raw, batchSize int32) (*Cursor, error) {
	return openStream(ctx, c, resumeAfter, batchSize)
}

// OpenLeanStream is OpenStream without documents and descriptions of updates. Each
// part of a split event bears the resume token, which holds the _id twice as
// long: beside a large _id there may be no room for a document.
func OpenLeanStream(ctx context.Context, c *Client, resumeAfter bson.Raw, batchSize int32) (*Cursor, error) {
	return openStream(ctx, c, resumeAfter, batchSize,
		bson.D{{Key: "$unset", Value: bson.A{"fullDocument", "rawUpdateDescription", "updateDescription"}}})
}

func openStream(ctx context.Context, c *Client, resumeAfter bson.Raw, batchSize int32, stages ...bson.D) (*Cursor, error) {
	stage := bson.D{{Key: "allChangesForCluster", Value: true}, {Key: "showExpandedEvents", Value: true},
		{Key: "showSystemEvents", Value: true}, {Key: "showRawUpdateDescription", Value: true}}
	if resumeAfter != nil {
		stage = append(stage, bson.E{Key: "resumeAfter", Value: resumeAfter})
	}
	pipeline := append([]bson.D{{{Key: "$changeStream", Value: stage}}}, stages...)
	cursor, err := Open(ctx, c, "admin", bson.D{
		{Key: "aggregate", Value: 1},
		{Key: "pipeline", Value: append(pipeline, bson.D{{Key: "$changeStreamSplitLargeEvent", Value: bson.D{}}})},
		{Key: "cursor", Value: bson.D{{Key: "batchSize", Value: int32(0)}}},
		{Key: "readConcern", Value: bson.D{{Key: "level", Value: "majority"}}},
	}, batchSize, StreamAwaitMS)
	if err != nil {
		return nil, fmt.Errorf("open the change stream: %w", err)
	}
	return cursor, nil
}
