package catalog

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/namespace"
)

// Difference is something that is not the same on both sides.
type Difference struct {
	Namespace, What, Source, Destination string
}

// String is one line for the operator.
func (d Difference) String() string {
	return fmt.Sprintf("%s: %s: source %s, destination %s", d.Namespace, d.What, d.Source, d.Destination)
}

// Compare holds the catalogs of both sides against each other, as they should be
// while unique, TTL and limits are put off, and the number of documents as the
// servers keep it; m says what was made on the destination, where there may be
// more. The source must not change meanwhile.
func Compare(ctx context.Context, src, dst *mongodb.Client, f namespace.Filter, m *Map) ([]Difference, error) {
	want, err := Read(ctx, src, f)
	if err != nil {
		return nil, err
	}
	have, err := Read(ctx, dst, f)
	if err != nil {
		return nil, err
	}
	there := map[string]Collection{}
	for _, c := range have {
		there[c.NS.String()] = c
	}
	refused := m.failedIndexes()
	found := make([][]Difference, len(want))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for n, w := range want {
		h, ok := there[w.NS.String()]
		if !ok {
			found[n] = []Difference{{w.NS.String(), "collection", "exists", "missing"}}
			continue
		}
		group.Go(func() error {
			counts, err := compareCounts(ctx, src, dst, w)
			found[n] = slices.Concat(compareOptions(w, h), compareIndexes(w, h, refused[w.NS]), counts)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return append(surplus(want, have, m), slices.Concat(found...)...), nil
}

// putOff are the options that are restored after the destination is open, and
// those that mean nothing any more.
var putOff = []string{"size", "max", "expireAfterSeconds", "temp", "uuid", "autoIndexId"}

func compareOptions(want, have Collection) []Difference {
	w, h := without(want.Options, putOff...), without(have.Options, putOff...)
	if sameFields(w, h) {
		return nil
	}
	return []Difference{{want.NS.String(), "options", w.String(), h.String()}}
}

// surplus is what this migration has made and the source no longer has.
func surplus(want, have []Collection, m *Map) []Difference {
	made, wanted := map[migration.Namespace]bool{}, map[migration.Namespace]bool{}
	for _, c := range m.All() {
		made[c.NS] = true
	}
	for _, c := range want {
		wanted[c.NS] = true
	}
	var diffs []Difference
	for _, c := range have {
		if made[c.NS] && !wanted[c.NS] {
			diffs = append(diffs, Difference{c.NS.String(), string(c.Kind), "missing", "exists"})
		}
	}
	return diffs
}

// failedIndexes are the indexes that the destination has refused.
func (m *Map) failedIndexes() map[migration.Namespace][]string {
	out := map[migration.Namespace][]string{}
	for _, c := range m.All() {
		for _, i := range c.Indexes {
			if i.Failed {
				out[c.NS] = append(out[c.NS], i.Name)
			}
		}
	}
	return out
}

func compareIndexes(want, have Collection, refused []string) []Difference {
	var diffs []Difference
	there := map[string]Index{}
	for _, i := range have.Indexes {
		there[i.Name] = i
	}
	for _, i := range want.Indexes {
		if i.onID() || want.hasPlainTwin(i) {
			continue
		}
		h, ok := there[i.Name]
		if !ok && slices.Contains(refused, i.Name) {
			continue // reported as unsuccessful
		}
		if !ok {
			diffs = append(diffs, Difference{want.NS.String(), "index " + i.Name, "exists", "missing"})
			continue
		}
		if w, g := i.forSync(), h.forSync(); !sameFields(w, g) {
			diffs = append(diffs, Difference{want.NS.String(), "index " + i.Name, w.String(), g.String()})
		}
	}
	for _, i := range have.Indexes {
		if !slices.ContainsFunc(want.Indexes, func(w Index) bool { return w.Name == i.Name }) {
			diffs = append(diffs, Difference{want.NS.String(), "index " + i.Name, "missing", "exists"})
		}
	}
	return diffs
}

// sameFields says whether two documents have the same fields with the same
// values, numbers by value, whatever the order of the outer fields.
func sameFields(a, b bson.Raw) bool {
	x, errX := a.Elements()
	y, errY := b.Elements()
	if errX != nil || errY != nil || len(x) != len(y) {
		return false
	}
	for _, e := range x {
		v, err := b.LookupErr(e.Key())
		if err != nil {
			return false
		}
		w := e.Value()
		same := w.Type == v.Type && bytes.Equal(w.Value, v.Value)
		if !same && !sameNumber(w, v) {
			return false
		}
	}
	return true
}

func compareCounts(ctx context.Context, src, dst *mongodb.Client, c Collection) ([]Difference, error) {
	if !c.HasDocuments() {
		return nil, nil
	}
	w, err := fastCount(ctx, src, c)
	if err != nil {
		return nil, err
	}
	h, err := fastCount(ctx, dst, c)
	if err != nil || w == h {
		return nil, err
	}
	// The fast count may be off after a crash: count in earnest before saying so.
	if w, err = exactCount(ctx, src, c); err != nil {
		return nil, err
	}
	if h, err = exactCount(ctx, dst, c); err != nil || w == h {
		return nil, err
	}
	return []Difference{{c.NS.String(), "documents", fmt.Sprint(w), fmt.Sprint(h)}}, nil
}

func fastCount(ctx context.Context, c *mongodb.Client, col Collection) (int64, error) {
	reply, err := c.Run(ctx, col.NS.DB, bson.D{{Key: "count", Value: col.Storage()}})
	if err != nil {
		return 0, fmt.Errorf("count %s: %w", col.NS, err)
	}
	n, _ := reply.Lookup("n").AsInt64OK()
	return n, nil
}

func exactCount(ctx context.Context, c *mongodb.Client, col Collection) (int64, error) {
	docs, err := mongodb.All(ctx, c, col.NS.DB, bson.D{
		{Key: "aggregate", Value: col.Storage()},
		{Key: "pipeline", Value: bson.A{bson.D{{Key: "$count", Value: "n"}}}},
		{Key: "cursor", Value: bson.D{}},
	})
	if err != nil {
		return 0, fmt.Errorf("count %s: %w", col.NS, err)
	}
	if len(docs) == 0 {
		return 0, nil
	}
	n, _ := docs[0].Lookup("n").AsInt64OK()
	return n, nil
}
