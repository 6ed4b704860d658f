package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// A unique index with a plain twin is built while writers wait only where its
// collection on the destination is small; others are built when it is open.
const (
	// SmallDocuments is how many documents a small collection has at most.
	SmallDocuments = 100_000
	// SmallBytes is how many bytes, before compression, they have at most.
	SmallBytes = 64 << 20
)

// stand is the index of the destination that has the entries of a unique index of
// the source while the sync runs: that index itself, as a plain one, or its plain
// twin. name is "" when nothing is known to have just these entries.
type stand struct {
	Collection
	unique Index
	name   string
}

func (s stand) byTwin() bool { return s.name != s.unique.Name }

// stands gives one for every unique index of the source, by namespace and name.
func stands(m *Map) []stand {
	var out []stand
	for _, c := range m.All() {
		if c.Kind != KindCollection {
			continue
		}
		for _, i := range c.secondary() {
			if !i.Unique() {
				continue
			}
			switch twin, alike := c.plainTwin(i); alike {
			case different:
				out = append(out, stand{c, i, i.Name})
			case same:
				out = append(out, stand{c, i, twin.Name})
			default:
				out = append(out, stand{c, i, ""})
			}
		}
	}
	slices.SortFunc(out, func(a, b stand) int {
		return cmp.Or(cmp.Compare(a.NS.DB, b.NS.DB), cmp.Compare(a.NS.Collection, b.NS.Collection), cmp.Compare(a.unique.Name, b.unique.Name))
	})
	return out
}

// Constrain makes the destination refuse new equal keys in every index that is
// unique on the source, or refuses them there already. Unique indexes with a plain
// twin are built where the collection is small; elsewhere the twin refuses them.
// What the destination refuses to build is left to Restore, which reports it.
func Constrain(ctx context.Context, dst *mongodb.Client, m *Map) error {
	err := atOnce(ctx, changers, byCollection(stands(m)), func(ctx context.Context, s stand) error {
		built := false
		if s.byTwin() {
			var err error
			if built, err = s.buildIfSmall(ctx, dst); err != nil {
				return err
			}
		}
		if built {
			return nil
		}
		return prepareUnique(ctx, dst, s.Collection, s.name, true)
	})
	if err != nil {
		return err
	}
	return prepared(ctx, dst, m, true)
}

// changers bounds how many collections have their indexes changed at once. Each change
// waits for a majority: one after the other, 100,000 take minutes, which at the fence
// writers wait for.
const changers = 16

// byCollection puts together what is of one collection, so that it is done in its
// order.
func byCollection(all []stand) [][]stand {
	var out [][]stand
	for n, s := range all {
		if n == 0 || s.NS != all[n-1].NS {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], s)
	}
	return out
}

// atOnce does something for each, so many groups at the same time.
func atOnce[T any](ctx context.Context, limit int, groups [][]T, do func(context.Context, T) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(limit)
	for _, group := range groups {
		g.Go(func() error {
			for _, one := range group {
				if err := do(ctx, one); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// eachAtOnce is atOnce where each is a group by itself.
func eachAtOnce[T any](ctx context.Context, limit int, all []T, do func(context.Context, T) error) error {
	return atOnce(ctx, limit, slices.Collect(slices.Chunk(all, 1)), do)
}

// Relax undoes Constrain, so that changes can be applied in any order: nothing
// refuses equal keys, and no unique index stands. It costs next to nothing. A
// collection may be under another name than the map says when an attempt died in
// the middle of its rename; such a one was not constrained.
func Relax(ctx context.Context, dst *mongodb.Client, m *Map) error {
	err := atOnce(ctx, changers, byCollection(stands(m)), func(ctx context.Context, s stand) error {
		if err := prepareUnique(ctx, dst, s.Collection, s.name, false); err != nil {
			return err
		}
		if !s.byTwin() {
			return nil
		}
		if err := dropIndex(ctx, dst, s.Collection, s.unique.Name); err != nil && !isGone(err) {
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	return prepared(ctx, dst, m, false)
}

// prepared turns prepareUnique on or off where the source has it on.
func prepared(ctx context.Context, dst *mongodb.Client, m *Map, on bool) error {
	return eachAtOnce(ctx, changers, m.All(), func(ctx context.Context, c Collection) error {
		for _, i := range c.secondary() {
			if !i.preparesUnique() {
				continue
			}
			if err := prepareUnique(ctx, dst, c, i.Name, on); err != nil {
				return err
			}
		}
		return nil
	})
}

// prepareUnique makes an index refuse new equal keys, or take them again; one that
// is not there is fine.
func prepareUnique(ctx context.Context, dst *mongodb.Client, c Collection, name string, on bool) error {
	if name == "" {
		return nil
	}
	err := collModIndex(ctx, dst, c, name, bson.E{Key: "prepareUnique", Value: on})
	if isGone(err) || mongodb.Code(err) == mongodb.CodeIndexNotFound {
		return nil
	}
	return err
}

// buildIfSmall builds the unique index beside its twin. Equal keys that are there
// are an error, any other refusal is not.
func (s stand) buildIfSmall(ctx context.Context, dst *mongodb.Client) (built bool, err error) {
	small, err := isSmall(ctx, dst, s.Collection)
	if err != nil || !small {
		return false, err
	}
	err = createIndexes(ctx, dst, s.Collection, s.unique.atFence())
	if isGone(err) || isRefusal(err) && mongodb.Code(err) != mongodb.CodeDuplicateKey {
		return false, nil
	}
	return err == nil, err
}

// isSmall goes by what the server keeps anyway. Where it does not tell, as a
// router of a sharded collection, the collection is not small.
func isSmall(ctx context.Context, dst *mongodb.Client, c Collection) (bool, error) {
	reply, err := dst.Run(ctx, c.NS.DB, bson.D{{Key: "dataSize", Value: c.NS.String()}, {Key: "estimate", Value: true}})
	if isRefusal(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("measure %s: %w", c.NS, err)
	}
	documents, okDocuments := reply.Lookup("numObjects").AsInt64OK()
	bytes, okBytes := reply.Lookup("size").AsInt64OK()
	return okDocuments && okBytes && documents <= SmallDocuments && bytes <= SmallBytes, nil
}

// Violation is a unique index of the source whose index on the destination has
// documents with equal keys. Groups names them, at most so many groups of equal
// keys: what is in it twice, at different times, was there both times.
type Violation struct {
	migration.UnsuccessfulIndex
	Groups []string
}

// UniqueViolations looks for documents that stand against a unique index, while no
// changes are being applied, in the indexes that pick says, asked in the order of
// namespace and name. In the middle of the stream, two documents may share a value
// for a moment that they never shared on the source: what it finds there is a
// suspicion. Before anything is changed, mayChange is asked. When it ends with an
// error, Relax is due.
func UniqueViolations(ctx context.Context, dst *mongodb.Client, m *Map,
	pick func(ns migration.Namespace, index string) bool, mayChange func(context.Context) error,
) ([]Violation, error) {
	groups := byCollection(stands(m))
	found := make([][]Violation, len(groups))
	g, groupCtx := errgroup.WithContext(ctx)
	g.SetLimit(lookers)
	for n, group := range groups {
		group = slices.DeleteFunc(group, func(s stand) bool { return !pick(s.NS, s.unique.Name) || s.name == "" })
		if len(group) == 0 {
			continue
		}
		g.Go(func() error {
			for _, s := range group {
				refusal, err := s.tryUnique(groupCtx, dst, mayChange)
				if err != nil {
					return err
				}
				if refusal != nil {
					found[n] = append(found[n], s.violation(refusal))
				}
			}
			return nil
		})
	}
	err := g.Wait()
	return slices.Concat(found...), err
}

// lookers bounds how many collections are looked at for equal keys at once: each look
// is a scan of an index.
const lookers = 4

// tryUnique asks the server whether the index could be made unique now. The scan
// takes no lock that keeps others out, and ends when its client goes away.
func (s stand) tryUnique(ctx context.Context, dst *mongodb.Client, mayChange func(context.Context) error) (refusal, err error) {
	if err := mayChange(ctx); err != nil {
		return nil, err
	}
	err = collModIndex(ctx, dst, s.Collection, s.name, bson.E{Key: "prepareUnique", Value: true})
	if mongodb.Code(err) == mongodb.CodeIndexNotFound || isGone(err) {
		return nil, nil
	}
	if err == nil {
		err = collModIndex(ctx, dst, s.Collection, s.name, bson.E{Key: "unique", Value: true}, bson.E{Key: "dryRun", Value: true})
	}
	if isRefusal(err) {
		refusal, err = err, nil
	}
	// Also when the time is up: equal keys must pass by again.
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoPatience)
	defer cancel()
	return refusal, errors.Join(err, prepareUnique(limited, dst, s.Collection, s.name, false))
}
