package mongodb

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
)

// FeatureCompatibility reads the feature compatibility version. While
// setFeatureCompatibilityVersion is under way it names both ends, and so is equal
// to neither.
func FeatureCompatibility(ctx context.Context, c *Client) (string, error) {
	reply, err := c.Run(ctx, "admin", bson.D{{Key: "getParameter", Value: 1}, {Key: "featureCompatibilityVersion", Value: 1}})
	if err != nil {
		return "", err
	}
	field := func(name string) string {
		text, _ := reply.Lookup("featureCompatibilityVersion", name).StringValueOK()
		return text
	}
	version, target, previous := field("version"), field("targetVersion"), field("previousVersion")
	switch {
	case target == "":
		return version, nil
	case previous != "":
		return fmt.Sprintf("%s (on the way from %s to %s)", version, previous, target), nil
	default:
		return fmt.Sprintf("%s (on the way to %s)", version, target), nil
	}
}

// CheckFeatureCompatibility gives a fault when the feature compatibility version
// is no longer what it was when the migration began; "" is not compared.
func CheckFeatureCompatibility(ctx context.Context, c *Client, was string) error {
	if was == "" {
		return nil
	}
	now, err := FeatureCompatibility(ctx, c)
	if err != nil || now == was {
		return err
	}
	return migration.NewFault(migration.CompatibilityChanged, fmt.Sprintf(
		"the feature compatibility version of the %s was changed during the migration, from %s to %s: "+
			"set it back to %s (setFeatureCompatibilityVersion) and start a new migration", c.name, was, now, was))
}
