package catalog

import (
	"context"

	"mongoferry/internal/mongodb"
)

// Conflicts lists what exists on the destination where something is to be migrated to,
// under its own name or the one for the time of the copy; Dest is what it is there.
func Conflicts(ctx context.Context, dst *mongodb.Client, wanted []Collection) ([]Collection, error) {
	have, err := listFor(ctx, dst, pointers(wanted))
	if err != nil {
		return nil, err
	}
	var out []Collection
	add := func(c Collection, ok bool) {
		if ok {
			c.Dest = c.UUID
			out = append(out, c)
		}
	}
	for _, c := range wanted {
		named, ok := have[c.NS]
		add(named, ok)
		staged, ok := have[c.stage()]
		add(staged, ok)
	}
	return out, nil
}

func pointers(cols []Collection) []*Collection {
	out := make([]*Collection, len(cols))
	for i := range cols {
		out[i] = &cols[i]
	}
	return out
}
