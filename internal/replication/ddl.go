package replication

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/zap"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// changeCatalog carries out a catalog change, alone, with everything before it
// applied. The map remembers the last one, so that a run that repeats it can
// tell.
func (a *Applier) changeCatalog(ctx context.Context, e *event) error {
	token, err := mongodb.TokenData(e.token)
	if err != nil {
		return err
	}
	// First of all: what is past cannot be understood from the map as it is now.
	if a.Map.Holds(token) {
		return nil
	}
	do, err := a.catalogChange(e)
	if err != nil || do == nil {
		return err
	}
	if a.Watch != nil {
		a.Watch(Change{NS: e.ns, Kind: e.kind, At: e.at})
	}
	what := e.kind + " of " + e.ns.String()
	began := time.Now()
	if err := a.change(ctx, what, catalog.Changer{Token: token, At: e.at}, do); err != nil {
		return mongodb.Refusal(migration.WriteRefused, what, err)
	}
	a.progress.EventsApplied++
	a.Log.Info("catalog change", zap.String("change", what), zap.Stringer("optime", e.at), zap.Duration("elapsed", time.Since(began)))
	return nil
}

// catalogWork makes a catalog change.
type catalogWork func(context.Context, *catalog.Changer) error

// change makes a change to the destination's catalog, again over errors that pass,
// as long as no later attempt has taken over.
func (a *Applier) change(ctx context.Context, what string, ch catalog.Changer, do catalogWork) error {
	ch.Destination, ch.Map = a.Destination, a.Map
	tried := false
	return mongodb.Retry(ctx, a.Log, what, func() error {
		if tried { // what the last try has left may still be rolled back
			if _, err := a.Ledger.Find(ctx); err != nil {
				return err
			}
		}
		tried = true
		if err := a.Ledger.Check(ctx, a.Lane, a.Attempt.Epoch); err != nil {
			return err
		}
		return do(ctx, &ch)
	})
}

// catalogChange says what an event asks for; nil when it does not concern this
// migration.
func (a *Applier) catalogChange(e *event) (catalogWork, error) {
	c, known := a.Map.ByUUID(e.uuid)
	if e.uuid.IsZero() {
		c, known = a.Map.View(e.ns)
	}
	switch e.kind {
	case kindCreate:
		if !a.Filter.Matches(e.ns) {
			return nil, nil
		}
		return a.create(e)
	case kindDropDatabase:
		return func(ctx context.Context, ch *catalog.Changer) error { return ch.Drop(ctx, a.inDatabase(e.ns.DB)...) }, nil
	case kindRename:
		return a.rename(e, c, known)
	case kindDrop, kindModify, kindCreateIndexes, kindDropIndexes:
		if e.kind == kindDrop && e.ns.Collection == systemViews {
			return func(ctx context.Context, ch *catalog.Changer) error { return ch.Drop(ctx, a.viewsOf(e.ns.DB)...) }, nil
		}
		if !known {
			a.ignore(e)
			return nil, nil
		}
		return func(ctx context.Context, ch *catalog.Changer) error { return changeKnown(ctx, ch, e, c) }, nil
	}
	if !a.Filter.Matches(e.ns) && !known {
		a.progress.Ignored++
		return nil, nil
	}
	return nil, migration.NewFault(migration.UnexpectedChange, fmt.Sprintf(
		"%s: the source did a %q, which this version cannot repeat: start a new migration without that namespace, or after the change",
		e.ns, e.kind))
}

func changeKnown(ctx context.Context, ch *catalog.Changer, e *event, c catalog.Collection) error {
	switch e.kind {
	case kindDrop:
		return ch.Drop(ctx, c)
	case kindModify:
		return ch.Modify(ctx, c, e.description)
	case kindCreateIndexes:
		specs, err := indexSpecs(e)
		if err != nil {
			return err
		}
		return ch.CreateIndexes(ctx, c, specs)
	default:
		specs, err := indexSpecs(e)
		if err != nil {
			return err
		}
		names := make([]string, len(specs))
		for i, s := range specs {
			names[i], _ = s.Lookup("name").StringValueOK()
		}
		return ch.DropIndexes(ctx, c, names)
	}
}

// systemViews holds the definitions of a database's views, which go with it.
const systemViews = "system.views"

// create makes what an event describes. A time-series collection is made by the
// event of its buckets; that of its view says nothing new. A capped collection may
// have been filled by the command that made it (cloneCollectionAsCapped,
// convertToCapped), of which the stream tells nothing: it is copied.
func (a *Applier) create(e *event) (catalogWork, error) {
	c := catalog.Collection{UUID: e.uuid, NS: e.ns, Kind: catalog.KindCollection, Options: e.description}
	on, isView := e.description.Lookup("viewOn").StringValueOK()
	switch {
	case isView && on == e.ns.Buckets().Collection:
		return nil, nil
	case isView:
		c.Kind = catalog.KindView
	case e.ns.IsBuckets():
		c = catalog.FromBuckets(c)
	case c.Capped():
		return a.adopt(c, catalog.UUID{}), nil
	}
	return func(ctx context.Context, ch *catalog.Changer) error { return ch.Create(ctx, c) }, nil
}

// rename moves within what is migrated; out of it, it is a drop. What is renamed
// into it is copied.
func (a *Applier) rename(e *event, c catalog.Collection, known bool) (catalogWork, error) {
	included := a.Filter.Matches(e.to)
	dropped, _ := catalog.UUIDOf(e.description.Lookup("dropTarget"))
	switch {
	case known && included:
		return func(ctx context.Context, ch *catalog.Changer) error { return ch.Rename(ctx, c, e.to, dropped) }, nil
	case known:
		return func(ctx context.Context, ch *catalog.Changer) error { return ch.Drop(ctx, c) }, nil
	case included:
		return a.adopt(catalog.Collection{UUID: e.uuid, NS: e.to}, dropped), nil
	default:
		return nil, nil
	}
}

func (a *Applier) adopt(c catalog.Collection, dropped catalog.UUID) catalogWork {
	return func(ctx context.Context, ch *catalog.Changer) error {
		a.Log.Info("copying a collection that came in without its documents", zap.Stringer("ns", c.NS))
		return ch.Adopt(ctx, a.Source, c, dropped, a.Copier)
	}
}

// inDatabase is what is left of a database that is dropped: its collections were
// dropped by events of their own, its views were not.
func (a *Applier) inDatabase(db string) []catalog.Collection {
	return slices.DeleteFunc(a.Map.All(), func(c catalog.Collection) bool { return c.NS.DB != db })
}

func (a *Applier) viewsOf(db string) []catalog.Collection {
	return slices.DeleteFunc(a.inDatabase(db), func(c catalog.Collection) bool { return c.Kind != catalog.KindView })
}

func indexSpecs(e *event) ([]bson.Raw, error) {
	array, ok := e.description.Lookup("indexes").ArrayOK()
	if !ok {
		return nil, fmt.Errorf("the %s event of %s names no indexes", e.kind, e.ns)
	}
	values, err := array.Values()
	if err != nil {
		return nil, fmt.Errorf("read the indexes of a %s event: %w", e.kind, err)
	}
	specs := make([]bson.Raw, len(values))
	for i, v := range values {
		specs[i] = v.Document()
	}
	return specs, nil
}
