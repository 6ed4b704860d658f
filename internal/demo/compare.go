package demo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// emptyHash is what dbHash says of a collection without documents.
const emptyHash = "d41d8cd98f00b204e9800998ecf8427e"

// maxDifferences bounds what Compare reports.
const maxDifferences = 10

// Compare gives the first differences between two clusters: documents by dbHash,
// options and indexes by what the servers list, the order of capped collections
// by a digest. Databases named are left out. Nothing may write meanwhile.
func Compare(ctx context.Context, source, destination *mongo.Client, leaveOut ...string) ([]string, error) {
	want, err := describe(ctx, source, leaveOut)
	if err != nil {
		return nil, fmt.Errorf("describe the source: %w", err)
	}
	have, err := describe(ctx, destination, leaveOut)
	if err != nil {
		return nil, fmt.Errorf("describe the destination: %w", err)
	}
	var diffs []string
	for _, ns := range names(want, have) {
		w, inSource := want[ns]
		h, inDestination := have[ns]
		switch {
		case !inDestination:
			diffs = append(diffs, ns+": missing on the destination")
		case !inSource:
			diffs = append(diffs, ns+": on the destination alone")
		default:
			found, err := w.differences(ctx, ns, h, source, destination)
			if err != nil {
				return nil, err
			}
			diffs = append(diffs, found...)
		}
		if len(diffs) >= maxDifferences {
			return diffs[:maxDifferences], nil
		}
	}
	return diffs, nil
}

func names(a, b map[string]description) []string {
	var out []string
	for ns := range a {
		out = append(out, ns)
	}
	for ns := range b {
		if _, both := a[ns]; !both {
			out = append(out, ns)
		}
	}
	slices.Sort(out)
	return out
}

// description is what is compared of a namespace.
type description struct {
	hash, options, order string
	indexes              []string
}

func (d description) differences(ctx context.Context, ns string, other description, source, destination *mongo.Client) ([]string, error) {
	var diffs []string
	if d.options != other.options {
		diffs = append(diffs, fmt.Sprintf("%s: options: source %s, destination %s", ns, d.options, other.options))
	}
	if !slices.Equal(d.indexes, other.indexes) {
		diffs = append(diffs, fmt.Sprintf("%s: indexes: source %s, destination %s", ns, d.indexes, other.indexes))
	}
	if d.hash != other.hash {
		where, err := firstDocument(ctx, ns, source, destination)
		if err != nil {
			return nil, err
		}
		diffs = append(diffs, ns+": "+where)
	} else if d.order != other.order {
		diffs = append(diffs, ns+": the documents are in another order")
	}
	return diffs, nil
}

func describe(ctx context.Context, c *mongo.Client, leaveOut []string) (map[string]description, error) {
	dbs, err := c.ListDatabaseNames(ctx, bson.D{})
	if err != nil {
		return nil, err
	}
	out := map[string]description{}
	for _, name := range dbs {
		if slices.Contains([]string{"admin", "local", "config"}, name) || slices.Contains(leaveOut, name) {
			continue
		}
		if err := describeDatabase(ctx, c.Database(name), out); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return out, nil
}

func describeDatabase(ctx context.Context, db *mongo.Database, out map[string]description) error {
	var hashes struct {
		Collections map[string]string `bson:"collections"`
	}
	if err := db.RunCommand(ctx, bson.D{{Key: "dbHash", Value: 1}}).Decode(&hashes); err != nil {
		return err
	}
	cursor, err := db.ListCollections(ctx, bson.D{})
	if err != nil {
		return err
	}
	for cursor.Next(ctx) {
		name, _ := cursor.Current.Lookup("name").StringValueOK()
		if name == "system.views" || name == "system.profile" {
			continue // every view is listed by itself; profiles are of their server
		}
		d := description{hash: hashes.Collections[name], options: sortedFields(cursor.Current.Lookup("options").Document())}
		if kind, _ := cursor.Current.Lookup("type").StringValueOK(); kind == "collection" {
			if d.indexes, err = describeIndexes(ctx, db.Collection(name)); err != nil {
				return err
			}
		}
		if capped, _ := cursor.Current.Lookup("options", "capped").BooleanOK(); capped {
			if d.order, err = digest(ctx, db.Collection(name)); err != nil {
				return err
			}
		}
		if name == "system.js" && hashes.Collections[name] == emptyHash {
			continue // it cannot be dropped, so an empty one is as good as none
		}
		out[db.Name()+"."+name] = d
	}
	return cursor.Err()
}

func describeIndexes(ctx context.Context, c *mongo.Collection) ([]string, error) {
	cursor, err := c.Indexes().List(ctx)
	if err != nil {
		return nil, err
	}
	var specs []string
	for cursor.Next(ctx) {
		specs = append(specs, sortedFields(cursor.Current))
	}
	slices.Sort(specs)
	return specs, cursor.Err()
}

// sortedFields writes a document with its outer fields sorted and without the
// types of numbers: collMod appends what it changes, and picks its own type.
func sortedFields(doc bson.Raw) string {
	elements, err := doc.Elements()
	if err != nil {
		return err.Error()
	}
	var fields []string
	for _, e := range elements {
		text := e.Value().String()
		if e.Key() == "temp" {
			continue // the server would drop it when it restarts, a migrated one stays
		}
		if n, ok := e.Value().AsInt64OK(); ok {
			text = fmt.Sprint(n)
		}
		fields = append(fields, e.Key()+": "+text)
	}
	slices.Sort(fields)
	return "{" + strings.Join(fields, ", ") + "}"
}

// digest is over the bytes of all documents in the order of their insertion.
func digest(ctx context.Context, c *mongo.Collection) (string, error) {
	cursor, err := c.Find(ctx, bson.D{}, options.Find().SetSort(bson.D{{Key: "$natural", Value: 1}}))
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for cursor.Next(ctx) {
		h.Write(cursor.Current)
	}
	return hex.EncodeToString(h.Sum(nil)), cursor.Err()
}

// firstDocument finds the first document, in the order of _id, that differs.
func firstDocument(ctx context.Context, ns string, source, destination *mongo.Client) (string, error) {
	db, name, _ := strings.Cut(ns, ".")
	var cursors [2]*mongo.Cursor
	for i, c := range []*mongo.Client{source, destination} {
		var err error
		cursors[i], err = c.Database(db).Collection(name).Find(ctx, bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
		if err != nil {
			return "", err
		}
		defer func() { _ = cursors[i].Close(ctx) }() // it was only read
	}
	for {
		more, moreThere := cursors[0].Next(ctx), cursors[1].Next(ctx)
		switch {
		case !more && !moreThere:
			return "dbHash differs, but no document does", nil
		case !moreThere:
			return "the destination lacks _id " + cursors[0].Current.Lookup("_id").String(), nil
		case !more:
			return "the destination alone has _id " + cursors[1].Current.Lookup("_id").String(), nil
		case !bytes.Equal(cursors[0].Current, cursors[1].Current):
			return fmt.Sprintf("source %s, destination %s", short(cursors[0].Current), short(cursors[1].Current)), nil
		}
	}
}

const shown = 400

func short(doc bson.Raw) string {
	text := doc.String()
	if len(text) > shown {
		return text[:shown] + "…"
	}
	return text
}
