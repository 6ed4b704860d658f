package partition

import (
	"bytes"
	"cmp"
	"slices"

	"mongoferry/internal/catalog"
)

// indexBundle is how many small collections one activity builds indexes for.
const indexBundle = 100

// Bundle is the collections whose indexes one activity builds, by their UUIDs on the
// source: one large collection, or many small ones.
type Bundle struct {
	ID    int      `bson:"_id"`
	UUIDs [][]byte `bson:"uuids"`
}

// Collections are the bundle's collections on the source.
func (b Bundle) Collections() []catalog.UUID {
	out := make([]catalog.UUID, len(b.UUIDs))
	for i, u := range b.UUIDs {
		out[i] = catalog.UUID(u)
	}
	return out
}

// Collections are the unit's collections on the source, each once.
func (u Unit) Collections() []catalog.UUID {
	seen := make(map[catalog.UUID]bool, len(u.Parts))
	out := make([]catalog.UUID, 0, len(u.Parts))
	for _, p := range u.Parts {
		if id := p.Collection(); !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

// Bundles plans the index builds: large collections first and each alone, since a
// build of theirs takes long and an attempt that is repeated should have little to
// look at again; small ones together.
func Bundles(cols []catalog.Collection, units []Unit) []Bundle {
	size := make(map[catalog.UUID]int64, len(cols))
	for _, u := range units {
		for _, p := range u.Parts {
			size[p.Collection()] += p.Bytes
		}
	}
	wanted := slices.DeleteFunc(slices.Clone(cols), func(c catalog.Collection) bool { return c.IndexesDuringSync() == 0 })
	slices.SortFunc(wanted, func(a, b catalog.Collection) int {
		return cmp.Or(cmp.Compare(size[b.UUID], size[a.UUID]), bytes.Compare(a.UUID[:], b.UUID[:]))
	})
	var out []Bundle
	full := true
	for _, c := range wanted {
		alone := size[c.UUID] > bundleBytes
		if alone || full || len(out[len(out)-1].UUIDs) == indexBundle {
			out = append(out, Bundle{ID: len(out)})
		}
		full = alone
		last := &out[len(out)-1]
		last.UUIDs = append(last.UUIDs, c.UUID[:])
	}
	return out
}
