package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// BuildIndexes builds all secondary indexes of a collection in one scan, in the
// form for the time of the sync. Where the documents do not allow that, they are
// built one by one and those that fail are returned; other errors are errors.
func BuildIndexes(ctx context.Context, dst *mongodb.Client, c Collection) ([]migration.UnsuccessfulIndex, error) {
	built := c.duringSync()
	specs := make([]bson.Raw, len(built))
	for n, i := range built {
		specs[n] = i.forSync()
	}
	err := createIndexes(ctx, dst, c, specs...)
	if !isRefusal(err) {
		return nil, err
	}
	var failed []migration.UnsuccessfulIndex
	for n, spec := range specs {
		err := createIndexes(ctx, dst, c, spec)
		switch {
		case isRefusal(err):
			failed = append(failed, unsuccessful(c, built[n], "failed", err))
		case err != nil:
			return failed, err
		}
	}
	return failed, nil
}

// commitQuorum is how many members of the destination must have built an index
// before it is there: as many as every other write waits for. The server's own
// default, all of them, would wait for a member that is down, and polls.
var commitQuorum = bson.E{Key: "commitQuorum", Value: "majority"}

func createIndexes(ctx context.Context, dst *mongodb.Client, c Collection, specs ...bson.Raw) error {
	if len(specs) == 0 {
		return nil
	}
	_, err := dst.Run(ctx, c.NS.DB, bson.D{
		{Key: "createIndexes", Value: c.Storage()}, {Key: "indexes", Value: specs}, c.Itself(), commitQuorum, mongodb.Durable(),
	})
	if err != nil {
		return fmt.Errorf("create indexes of %s: %w", c.NS, err)
	}
	return nil
}

// isRefusal says whether the server refuses the index itself, not this attempt.
func isRefusal(err error) bool {
	var e *mongodb.Error
	return errors.As(err, &e) && migration.KindOf(err) == "" && !mongodb.IsTransient(err) && !isGone(err) &&
		e.Code != mongodb.CodeUserWritesBlocked
}

// maxReason bounds how much of a server's refusal is kept.
const maxReason = 500

func unsuccessful(c Collection, i Index, kind string, cause error) migration.UnsuccessfulIndex {
	return unsuccessfulFor(c, i, kind, cause.Error())
}

func unsuccessfulFor(c Collection, i Index, kind, reason string) migration.UnsuccessfulIndex {
	keys := map[string]any{}
	elements, _ := i.key().Elements() // without any, the name must do
	for _, e := range elements {
		keys[e.Key()] = direction(e.Value())
	}
	return migration.UnsuccessfulIndex{
		Namespace: c.NS.String(), IndexName: i.Name, Type: kind, Keys: keys, Reason: shorten(migration.Redact(reason), maxReason),
	}
}

// direction is what stands behind a field in the keys of an index, as JSON has it.
func direction(v bson.RawValue) any {
	if number, ok := v.AsFloat64OK(); ok {
		return number
	}
	if text, ok := v.StringValueOK(); ok {
		return text
	}
	return v.String()
}

// Refused gives the indexes that the destination has refused to build, while they
// are on the source.
func (m *Map) Refused() []migration.UnsuccessfulIndex {
	var out []migration.UnsuccessfulIndex
	for _, c := range m.All() {
		for _, i := range c.Indexes {
			if i.Failed {
				out = append(out, unsuccessfulFor(c, i, "failed", i.Reason))
			}
		}
	}
	slices.SortFunc(out, func(a, b migration.UnsuccessfulIndex) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.IndexName, b.IndexName))
	})
	return out
}

// Building gives the indexes of a collection of the source that are being built
// there. They are migrated when they are finished.
func Building(ctx context.Context, src *mongodb.Client, ns migration.Namespace) ([]migration.UnsuccessfulIndex, error) {
	specs, err := mongodb.All(ctx, src, ns.DB, bson.D{
		{Key: "listIndexes", Value: ns.Collection}, {Key: "includeBuildUUIDs", Value: true},
	})
	if isGone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list indexes of %s: %w", ns, err)
	}
	var out []migration.UnsuccessfulIndex
	for _, doc := range specs {
		if _, err := doc.LookupErr("buildUUID"); err != nil {
			continue
		}
		spec, _ := doc.Lookup("spec").DocumentOK()
		name, _ := spec.Lookup("name").StringValueOK()
		out = append(out, unsuccessfulFor(Collection{NS: ns}, Index{Name: name, Spec: spec}, "incomplete", "it is being built on the source"))
	}
	return out, nil
}
