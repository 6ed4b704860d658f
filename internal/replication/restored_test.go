package replication

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/catalog"
	"mongoferry/internal/mongodb"
)

// restored ends a life as a cutover does: unique indexes refuse equal keys, then
// everything that was put off comes back. After that both catalogs are the same
// whatever is put off.
func (r *rehearsal) restored() {
	r.t.Helper()
	cols := catalog.NewMap(r.dst, r.meta)
	if err := cols.Load(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	if err := catalog.Constrain(r.t.Context(), r.dst, cols); err != nil {
		r.t.Errorf("constrain: %v", err)
	}
	failed, err := catalog.Restore(r.t.Context(), r.dst, cols, func() {})
	if err != nil {
		r.t.Fatalf("restore: %v", err)
	}
	if len(failed) > 0 {
		r.t.Errorf("not restored: %+v", failed)
	}
	want, have := catalogText(r.t, r.src, r), catalogText(r.t, r.dst, r)
	for ns, text := range want {
		if have[ns] != text {
			r.t.Errorf("restored: %s:\nsource      %s\ndestination %s", ns, text, have[ns])
		}
	}
}

// catalogText says what every collection is, its options and indexes in the order
// of their names: collMod appends the fields that it adds.
func catalogText(t testing.TB, side *mongodb.Client, r *rehearsal) map[string]string {
	t.Helper()
	cols, err := catalog.Read(t.Context(), side, r.filter)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, c := range cols {
		lines := []string{fieldsByName(t, c.Options)}
		for _, i := range c.Indexes {
			lines = append(lines, fieldsByName(t, i.Spec))
		}
		slices.Sort(lines)
		out[c.NS.String()] = strings.Join(lines, " ")
	}
	return out
}

func fieldsByName(t testing.TB, doc bson.Raw) string {
	t.Helper()
	elements, err := doc.Elements()
	if err != nil {
		t.Fatal(err)
	}
	var fields []string
	for _, e := range elements {
		value := e.Value().String()
		if number, ok := e.Value().AsFloat64OK(); ok {
			value = fmt.Sprint(number) // of any type
		}
		fields = append(fields, e.Key()+": "+value)
	}
	slices.Sort(fields)
	return "{" + strings.Join(fields, ", ") + "}"
}
