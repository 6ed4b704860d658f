package e2e

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// identical fails the test unless both sides hold the same: documents by dbHash,
// options and indexes by what the servers list.
func (s *stack) identical() {
	s.t.Helper()
	want, have := s.picture(s.source), s.picture(s.dest)
	for ns, w := range want {
		if h, ok := have[ns]; !ok {
			s.t.Errorf("%s is missing on the destination", ns)
		} else if w != h {
			s.t.Errorf("%s differs:\nsource      %s\ndestination %s", ns, w, h)
		}
	}
	for ns := range have {
		if _, ok := want[ns]; !ok {
			s.t.Errorf("%s is on the destination alone", ns)
		}
	}
}

// picture describes every collection of a cluster in a string.
func (s *stack) picture(c *mongo.Client) map[string]string {
	s.t.Helper()
	ctx := context.Background()
	dbs, err := c.ListDatabaseNames(ctx, bson.D{})
	if err != nil {
		s.t.Fatal(err)
	}
	out := map[string]string{}
	for _, name := range dbs {
		if slices.Contains([]string{"admin", "local", "config"}, name) {
			continue
		}
		db := c.Database(name)
		var hashes struct {
			Collections map[string]string `bson:"collections"`
		}
		if err := db.RunCommand(ctx, bson.D{{Key: "dbHash", Value: 1}}).Decode(&hashes); err != nil {
			s.t.Fatal(err)
		}
		cursor, err := db.ListCollections(ctx, bson.D{})
		if err != nil {
			s.t.Fatal(err)
		}
		for cursor.Next(ctx) {
			coll := cursor.Current.Lookup("name").StringValue()
			if coll == "system.views" {
				continue
			}
			text := hashes.Collections[coll] + " " + cursor.Current.Lookup("options").String()
			if cursor.Current.Lookup("type").StringValue() == "collection" {
				text += s.indexes(db.Collection(coll))
			}
			out[name+"."+coll] = text
		}
	}
	return out
}

func (s *stack) indexes(c *mongo.Collection) string {
	s.t.Helper()
	ctx := context.Background()
	cursor, err := c.Indexes().List(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	var specs []string
	for cursor.Next(ctx) {
		var spec map[string]any
		if err := bson.Unmarshal(cursor.Current, &spec); err != nil {
			s.t.Fatal(err)
		}
		text, err := bson.MarshalExtJSON(sorted(spec), false, false)
		if err != nil {
			s.t.Fatal(err)
		}
		specs = append(specs, string(text))
	}
	slices.Sort(specs)
	out := ""
	for _, spec := range specs {
		out += " " + spec
	}
	return out
}

// sorted orders the fields of an index by name: collMod appends those it adds.
func sorted(spec map[string]any) bson.D {
	var names []string
	for name := range spec {
		names = append(names, name)
	}
	slices.Sort(names)
	var out bson.D
	for _, name := range names {
		out = append(out, bson.E{Key: name, Value: spec[name]})
	}
	return out
}
