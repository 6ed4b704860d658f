package partition

import (
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/catalog"
	"mongoferry/internal/enginetest"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// Every document is in exactly one part, whatever its _id, and the parts follow
// each other in the order of the index.
func TestSplitCoversEverythingOnce(t *testing.T) {
	t.Parallel()
	collation := bson.E{Key: "collation", Value: bson.D{{Key: "locale", Value: "fr"}, {Key: "strength", Value: 1}, {Key: "caseLevel", Value: true}}}
	clustered := bson.E{Key: "clusteredIndex", Value: bson.D{{Key: "key", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "unique", Value: true}}}
	types := idTypes(t)
	cases := map[string]struct {
		options []bson.E
		ids     []any
	}{
		"all types":               {nil, allTypes(t)},
		"all types collated":      {[]bson.E{collation}, distinctFor(types)},
		"all types clustered":     {[]bson.E{clustered}, allTypes(t)},
		"integers":                {nil, integers(2000)},
		"words collated":          {[]bson.E{collation}, words(500)},
		"words clustered":         {[]bson.E{clustered}, words(500)},
		"extremes":                {nil, []any{bson.MinKey{}, bson.MaxKey{}}},
		"one document":            {nil, []any{1}},
		"only maxKey":             {nil, []any{bson.MaxKey{}}},
		"none":                    {nil, nil},
		"none, clustered":         {[]bson.E{clustered}, nil},
		"none but the numbers":    {nil, types["numbers apart"]},
		"none but the subtypes":   {nil, append(types["binary"], types["uuid"]...)},
		"documents of all shapes": {nil, append(append(types["document"], types["document of arrays"]...), types["regex inside"]...)},
	}
	for name, ids := range types {
		cases["type "+name] = struct {
			options []bson.E
			ids     []any
		}{nil, ids}
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := migration.Namespace{DB: "split", Collection: name}
			c := create(t, ns, tc.options...)
			fill(t, ns, tc.ids, 0)
			for _, size := range []int64{1 << 30, 2000, 150} {
				checkCover(t, c, size, len(tc.ids))
			}
		})
	}
}

// distinctFor leaves out what a collation that ignores accents holds for equal.
func distinctFor(types map[string][]any) []any {
	var out []any
	for name, values := range types {
		if name != "symbol" && name != "empty string" {
			out = append(out, values...)
		}
	}
	return out
}

func checkCover(t *testing.T, c catalog.Collection, size int64, want int) {
	t.Helper()
	parts, err := Split(t.Context(), enginetest.Source(t), c, size)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for i, p := range parts {
		if p.NS != c.NS || p.Collection() != c.UUID || p.Clustered != c.Clustered() || p.Natural || string(p.Collation) != string(c.Collation()) {
			t.Errorf("part %d does not tell its collection: %+v", i, p)
		}
		if p.Min.IsZero() != (i == 0) || p.Last() != (i == len(parts)-1) || i > 0 && !p.Min.Equal(parts[i-1].Max) {
			t.Errorf("part %d of %d goes from %s to %s", i, len(parts), p.Min, p.Max)
		}
		for _, id := range read(t, p) {
			seen[id]++
		}
	}
	if len(seen) != want {
		t.Errorf("size %d: %d parts hold %d documents, want %d", size, len(parts), len(seen), want)
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("size %d: _id %s is in %d parts", size, id, n)
		}
	}
	if want > 30 && size < 1000 && len(parts) < 5 {
		t.Errorf("size %d: only %d parts for %d documents", size, len(parts), want)
	}
}

// read gives the _id of every document of a part, as the copy finds them: by the
// bounds of the index, and MaxKey on its own.
func read(t *testing.T, p Part) []string {
	t.Helper()
	command := bson.D{{Key: "find", Value: p.NS.Collection}, {Key: "hint", Value: bson.D{{Key: "_id", Value: 1}}}}
	if !p.Min.IsZero() {
		command = append(command, bson.E{Key: "min", Value: bson.D{{Key: "_id", Value: p.Min}}})
	}
	if !p.Max.IsZero() {
		command = append(command, bson.E{Key: "max", Value: bson.D{{Key: "_id", Value: p.Max}}})
	}
	if p.Collation != nil {
		command = append(command, bson.E{Key: "collation", Value: p.Collation})
	}
	ids := find(t, p.NS.DB, command)
	if p.Last() && !p.Min.IsZero() && !p.Clustered {
		ids = append(ids, find(t, p.NS.DB, bson.D{{Key: "find", Value: p.NS.Collection}, {Key: "filter", Value: bson.D{{Key: "_id", Value: bson.MaxKey{}}}}})...)
	}
	return ids
}

func find(t *testing.T, db string, command bson.D) []string {
	t.Helper()
	docs, err := mongodb.All(t.Context(), enginetest.Source(t), db, command)
	if err != nil {
		t.Fatalf("%v: %v", command, err)
	}
	var ids []string
	for _, doc := range docs {
		id := doc.Lookup("_id")
		ids = append(ids, fmt.Sprintf("%s %x", id.Type, id.Value))
	}
	return ids
}

func TestCappedIsOnePart(t *testing.T) {
	t.Parallel()
	ns := migration.Namespace{DB: t.Name(), Collection: "c"}
	c := create(t, ns, bson.E{Key: "capped", Value: true}, bson.E{Key: "size", Value: 1 << 20})
	fill(t, ns, integers(500), 100)
	parts, err := Split(t.Context(), enginetest.Source(t), c, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if len(parts) != 1 || !parts[0].Natural || !parts[0].Last() || !parts[0].Min.IsZero() || parts[0].Documents != 500 {
		t.Errorf("got %+v", parts)
	}
}

func TestPartsAddUp(t *testing.T) {
	t.Parallel()
	ns := migration.Namespace{DB: t.Name(), Collection: "c"}
	c := create(t, ns)
	fill(t, ns, integers(8000), 1000)
	const size = 1 << 20
	parts, err := Split(t.Context(), enginetest.Source(t), c, size)
	if err != nil {
		t.Fatal(err)
	}
	if len(parts) < 6 || len(parts) > 9 {
		t.Errorf("got %d parts for 8 MB, want about 8", len(parts))
	}
	var documents, bytes int64
	for _, p := range parts {
		documents, bytes = documents+p.Documents, bytes+p.Bytes
	}
	if documents < 7990 || documents > 8000 || bytes < 8000*1000 {
		t.Errorf("the parts are said to hold %d documents, %d bytes", documents, bytes)
	}
}

// A collection that is gone before it is measured has nothing to copy.
func TestSplitOfADroppedCollection(t *testing.T) {
	t.Parallel()
	ns := migration.Namespace{DB: t.Name(), Collection: "c"}
	c := create(t, ns)
	run(t, ns.DB, bson.D{{Key: "drop", Value: ns.Collection}})
	parts, err := Split(t.Context(), enginetest.Source(t), c, 1000)
	if err != nil || len(parts) != 1 || parts[0].Documents != 0 || parts[0].Bytes != 0 {
		t.Errorf("got %+v, %v", parts, err)
	}
}

// TestLargeDocumentsAreCounted: parts of large documents are even, whatever their _id
// is, and hold every document once.
func TestLargeDocumentsAreCounted(t *testing.T) {
	t.Parallel()
	ns := migration.Namespace{DB: t.Name(), Collection: "c"}
	c := create(t, ns)
	ids := append(integers(400), bson.MinKey{}, bson.MaxKey{}, "text", bson.D{{Key: "a", Value: 1}})
	fill(t, ns, ids, 5000)
	const size = 100_000
	checkCover(t, c, size, len(ids))
	parts, err := Split(t.Context(), enginetest.Source(t), c, size)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range parts {
		if n := len(read(t, p)); n < 15 || n > 2*len(ids)/len(parts) {
			t.Errorf("part %d of %d holds %d of %d documents", i, len(parts), n, len(ids))
		}
	}
}
