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

// stageBytes is from which size on a collection is staged: the rename costs about what
// the copy of a few MB saves by it.
const stageBytes = 16 << 20

// Stage gives the collections with the large ones marked as staged.
func Stage(cols []catalog.Collection, units []Unit) []catalog.Collection {
	size := sizes(units)
	cols = slices.Clone(cols)
	for i, c := range cols {
		cols[i].Staged = size[c.UUID] > stageBytes && c.Stageable()
	}
	return cols
}

// sizes is how many bytes the units copy of each collection.
func sizes(units []Unit) map[catalog.UUID]int64 {
	size := map[catalog.UUID]int64{}
	for _, u := range units {
		for _, p := range u.Parts {
			size[p.Collection()] += p.Bytes
		}
	}
	return size
}

// Bundles plans what is done to each collection once it is copied, publishing it and
// building its indexes: large collections first and each alone, since a build of theirs
// takes long and an attempt that is repeated should have little to look at again; small
// ones together.
func Bundles(cols []catalog.Collection, units []Unit) []Bundle {
	size := sizes(units)
	wanted := slices.DeleteFunc(slices.Clone(cols), func(c catalog.Collection) bool { return c.IndexesDuringSync() == 0 && !c.Staged })
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
