package cutover

import (
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/mongodb"
)

// IndexBuilds names the index builds in progress on a cluster: the write block
// would abort them.
func IndexBuilds(ctx context.Context, c *mongodb.Client) ([]string, error) {
	docs, err := mongodb.Operations(ctx, c, bson.D{{Key: "idleConnections", Value: false}},
		bson.D{{Key: "$match", Value: bson.D{{Key: "command.createIndexes", Value: bson.D{{Key: "$exists", Value: true}}}}}},
		bson.D{{Key: "$project", Value: bson.D{{Key: "ns", Value: 1}, {Key: "command.createIndexes", Value: 1}, {Key: "command.$db", Value: 1}}}})
	if err != nil {
		return nil, fmt.Errorf("look for index builds on the %s: %w", c.Name(), err)
	}
	var names []string
	for _, doc := range docs {
		db, _ := doc.Lookup("command", "$db").StringValueOK()
		coll, ok := doc.Lookup("command", "createIndexes").StringValueOK()
		if name := db + "." + coll; ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}
