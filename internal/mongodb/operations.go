package mongodb

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Operations gives what is under way on a server, of all users, as $currentOp has
// it, through the stages given. extra are options of $currentOp. A user without the
// right gets a fault of the kind AccessDenied.
func Operations(ctx context.Context, c *Client, extra bson.D, stages ...bson.D) ([]bson.Raw, error) {
	options := append(bson.D{{Key: "allUsers", Value: true}}, extra...)
	return All(ctx, c, "admin", bson.D{
		{Key: "aggregate", Value: 1},
		{Key: "pipeline", Value: append([]bson.D{{{Key: "$currentOp", Value: options}}}, stages...)},
		{Key: "cursor", Value: bson.D{}},
	})
}
