package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"mongoferry/internal/cli"
	"mongoferry/internal/migration"
	"mongoferry/internal/seal"
)

// blocked says whether the source refuses writes.
func (s *stack) blocked() bool {
	s.t.Helper()
	var status struct {
		Repl struct {
			Mode int `bson:"userWriteBlockMode"`
		} `bson:"repl"`
	}
	err := s.source.Database("admin").RunCommand(context.Background(), bson.D{{Key: "serverStatus", Value: 1}}).Decode(&status)
	if err != nil {
		s.t.Fatal(err)
	}
	const blocked = 2
	return status.Repl.Mode == blocked
}

// opened says whether the marker is past the point of no return, or gone.
func (s *stack) opened() bool {
	s.t.Helper()
	var marker struct {
		Cutover struct{ State string }
	}
	err := s.dest.Database(migration.DefaultMetadataDB).Collection("marker").FindOne(context.Background(), bson.D{}).Decode(&marker)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return true
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.HasPrefix(marker.Cutover.State, "open")
}

// leftNothing: no write block, no marker, no metadata.
func (s *stack) leftNothing() {
	s.t.Helper()
	if s.blocked() {
		s.t.Error("the source is still blocked")
	}
	names, err := s.dest.ListDatabaseNames(context.Background(), bson.D{{Key: "name", Value: migration.DefaultMetadataDB}})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(names) > 0 {
		s.t.Error("the metadata database is left on the destination")
	}
	copying, err := s.dest.Database("shop").ListCollectionNames(context.Background(), bson.D{{Key: "name", Value: bson.Regex{Pattern: "copying"}}})
	if err != nil || len(copying) > 0 {
		s.t.Errorf("unfinished copies are left on the destination: %v, %v", copying, err)
	}
}

// destinationIsEmpty: nothing was created there.
func (s *stack) destinationIsEmpty() {
	s.t.Helper()
	names, err := s.dest.ListDatabaseNames(context.Background(), bson.D{{Key: "name", Value: bson.D{{Key: "$nin", Value: bson.A{"admin", "config", "local"}}}}})
	if err != nil || len(names) > 0 {
		s.t.Errorf("the destination holds %v, %v", names, err)
	}
}

// accepts writes a document.
func (s *stack) accepts(c *mongo.Client) {
	s.t.Helper()
	if _, err := c.Database("shop").Collection("after").InsertOne(context.Background(), bson.D{{Key: "x", Value: 1}}); err != nil {
		s.t.Errorf("no write is accepted: %v", err)
	}
}

// starter runs a command of the starter's, as an operator would.
func (s *stack) starter(args ...string) (code int, out, errs string) {
	s.t.Helper()
	var o, e bytes.Buffer
	app := &cli.App{
		Args: args, In: strings.NewReader(""), Out: &o, Err: &e, Now: time.Now,
		Environ: []string{
			"TEMPORAL_ADDRESS=" + s.temporal.Address(), "TEMPORAL_CONFIG_FILE=/dev/null",
			seal.EnvKey + "=" + base64.StdEncoding.EncodeToString(s.key),
		},
	}
	code = app.Run(context.Background())
	return code, o.String(), e.String()
}
