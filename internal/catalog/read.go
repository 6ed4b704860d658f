package catalog

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/namespace"
)

// readers bounds how many listIndexes are under way at once.
const readers = 8

// Read gives every collection and view that the filter lets through, sorted by
// namespace, with options and finished indexes.
func Read(ctx context.Context, c *mongodb.Client, f namespace.Filter) ([]Collection, error) {
	dbs, err := Databases(ctx, c)
	if err != nil {
		return nil, err
	}
	var all []Collection
	for _, db := range dbs {
		if !f.MatchesDB(db) {
			continue
		}
		cols, err := ReadDatabase(ctx, c, db, f)
		if err != nil {
			return nil, err
		}
		all = append(all, cols...)
	}
	return all, nil
}

// Databases lists the names of all databases.
func Databases(ctx context.Context, c *mongodb.Client) ([]string, error) {
	reply, err := c.Run(ctx, "admin", bson.D{{Key: "listDatabases", Value: 1}, {Key: "nameOnly", Value: true}})
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	var parsed struct {
		Databases []struct {
			Name string `bson:"name"`
		} `bson:"databases"`
	}
	if err := bson.Unmarshal(reply, &parsed); err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	names := make([]string, len(parsed.Databases))
	for i, db := range parsed.Databases {
		names[i] = db.Name
	}
	return names, nil
}

// ReadDatabase is Read for one database.
func ReadDatabase(ctx context.Context, c *mongodb.Client, db string, f namespace.Filter) ([]Collection, error) {
	found, err := list(ctx, c, db, nil)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(col Collection) bool { return !f.Matches(col.NS) })
	var mu sync.Mutex
	var all []Collection
	err = eachAtOnce(ctx, readers, found, func(ctx context.Context, col Collection) error {
		exists, err := readIndexes(ctx, c, &col)
		if err != nil || !exists {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, col)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b Collection) int {
		if a.NS.Collection < b.NS.Collection {
			return -1
		}
		return 1
	})
	return all, nil
}

// Find gives the collection of that name on a cluster without its indexes, nil
// when there is none.
func Find(ctx context.Context, c *mongodb.Client, ns migration.Namespace) (*Collection, error) {
	names := bson.A{ns.Collection, ns.Buckets().Collection}
	found, err := list(ctx, c, ns.DB, bson.D{{Key: "name", Value: bson.D{{Key: "$in", Value: names}}}})
	if err != nil {
		return nil, err
	}
	for _, col := range found {
		if col.NS == ns {
			return &col, nil
		}
	}
	return nil, nil
}

// list gives the collections and views of a database that the filter of
// listCollections lets through.
func list(ctx context.Context, c *mongodb.Client, db string, filter bson.D) ([]Collection, error) {
	cmd := bson.D{{Key: "listCollections", Value: 1}}
	if filter != nil {
		cmd = append(cmd, bson.E{Key: "filter", Value: filter})
	}
	docs, err := mongodb.All(ctx, c, db, cmd)
	if err != nil {
		return nil, fmt.Errorf("list collections of %s: %w", db, err)
	}
	out := make([]Collection, 0, len(docs))
	for _, doc := range docs {
		name, _ := doc.Lookup("name").StringValueOK()
		kind, _ := doc.Lookup("type").StringValueOK()
		options, ok := doc.Lookup("options").DocumentOK()
		if !ok {
			return nil, fmt.Errorf("list collections of %s: %q has no options", db, name)
		}
		uuid, _ := UUIDOf(doc.Lookup("info", "uuid"))
		out = append(out, Collection{
			UUID: uuid, NS: migration.Namespace{DB: db, Collection: name}, Kind: Kind(kind), Options: options,
		})
	}
	return joinBuckets(out), nil
}

// joinBuckets makes one of a time-series collection and its buckets, which the
// server lists both.
func joinBuckets(cols []Collection) []Collection {
	buckets := map[migration.Namespace]UUID{}
	for _, c := range cols {
		if c.NS.IsBuckets() {
			buckets[c.NS.Logical()] = c.UUID
		}
	}
	for i, c := range cols {
		if c.Kind == KindTimeseries {
			cols[i].UUID = buckets[c.NS]
			delete(buckets, c.NS)
		}
	}
	return slices.DeleteFunc(cols, func(c Collection) bool {
		_, alone := buckets[c.NS.Logical()]
		return c.NS.IsBuckets() && !alone
	})
}

// readIndexes fills in the indexes; false when the collection is gone.
func readIndexes(ctx context.Context, c *mongodb.Client, col *Collection) (bool, error) {
	if !col.HasDocuments() {
		return true, nil
	}
	specs, err := mongodb.All(ctx, c, col.NS.DB, bson.D{
		{Key: "listIndexes", Value: col.UUID.Binary()}, {Key: "includeBuildUUIDs", Value: true},
	})
	if mongodb.Code(err) == mongodb.CodeNamespaceNotFound {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("list indexes of %s: %w", col.NS, err)
	}
	for _, spec := range specs {
		// An index that is being built shows its spec inside; its createIndexes
		// event comes when it is finished.
		if _, err := spec.LookupErr("buildUUID"); err == nil {
			continue
		}
		name, _ := spec.Lookup("name").StringValueOK()
		col.Indexes = append(col.Indexes, Index{Name: name, Spec: spec})
	}
	return true, nil
}
