package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/namespace"
)

// Start is where a migration begins: every change after ResumeToken is newer
// than Collections, and documents read at or after OpTime hold every change up
// to the token.
type Start struct {
	ResumeToken bson.Raw
	OpTime      migration.OpTime
	Collections []Collection
}

// documentEvents are the changes that leave the catalog as it is.
var documentEvents = []string{"insert", "update", "replace", "delete"}

// ReadConsistent reads the source's catalog so that it is exactly that of one
// moment of the change stream. Each round opens the stream, reads the catalog and
// then the stream up to now; a round in which no catalog change happened is the
// one. Rounds after the first open the stream where the last one ended, and read
// again only the databases that changed, so that a busy catalog does not keep it
// from ending.
func ReadConsistent(ctx context.Context, src *mongodb.Client, f namespace.Filter) (Start, error) {
	byDB := map[string][]Collection{}
	var from bson.Raw
	var dirty []string
	for round := 0; ; round++ {
		stream, err := open(ctx, src, from)
		if err != nil {
			return Start{}, err
		}
		if err := awaitClones(ctx, src); err != nil {
			return Start{}, errors.Join(err, stream.Close(context.WithoutCancel(ctx)))
		}
		// The catalog is read as the primary has it: what no majority holds yet may
		// be rolled back, and no event would tell.
		err = mongodb.Steady(ctx, src, func() error {
			if round == 0 {
				return readAll(ctx, src, f, byDB)
			}
			return readAgain(ctx, src, f, byDB, dirty)
		})
		if err != nil {
			return Start{}, err
		}
		seen, err := readToNow(ctx, src, stream, f)
		if err != nil {
			return Start{}, fmt.Errorf("read the change stream: %w", err)
		}
		from, dirty = seen.last, seen.dirty
		if len(dirty) > 0 {
			continue
		}
		start := Start{ResumeToken: seen.opening, OpTime: seen.readAt}
		for _, cols := range byDB {
			start.Collections = append(start.Collections, cols...)
		}
		slices.SortFunc(start.Collections, func(a, b Collection) int { return strings.Compare(a.NS.String(), b.NS.String()) })
		return start, nil
	}
}

// open opens the stream without documents, which do not matter here: one may be too
// large for it.
func open(ctx context.Context, src *mongodb.Client, from bson.Raw) (*mongodb.Cursor, error) {
	return mongodb.OpenLeanStream(ctx, src, from, 0)
}

func readAll(ctx context.Context, src *mongodb.Client, f namespace.Filter, byDB map[string][]Collection) error {
	all, err := Read(ctx, src, f)
	if err != nil {
		return err
	}
	clear(byDB)
	for _, c := range all {
		byDB[c.NS.DB] = append(byDB[c.NS.DB], c)
	}
	return nil
}

func readAgain(ctx context.Context, src *mongodb.Client, f namespace.Filter, byDB map[string][]Collection, dirty []string) error {
	for _, db := range dirty {
		cols, err := ReadDatabase(ctx, src, db, f)
		if err != nil {
			return err
		}
		byDB[db] = cols
	}
	return nil
}

// passage is what a stream showed from its opening to now.
type passage struct {
	// opening and last are tokens; readAt is a time at which documents hold every
	// change up to the opening.
	opening, last bson.Raw
	readAt        migration.OpTime
	// dirty are the databases with catalog changes.
	dirty []string
}

// readToNow reads a stream from its opening to now, and closes it.
func readToNow(ctx context.Context, src *mongodb.Client, stream *mongodb.Cursor, f namespace.Filter) (p passage, err error) {
	defer func() {
		// A cursor that cannot be killed ends by itself.
		if closeErr := stream.Close(ctx); err == nil {
			err = closeErr
		}
	}()
	now, err := mongodb.MajorityOpTime(ctx, src)
	if err != nil {
		return p, err
	}
	for {
		batch, err := stream.Next(ctx)
		if err != nil {
			return p, err
		}
		if batch == nil {
			return p, fmt.Errorf("the change stream ended: is the source being dropped?")
		}
		reached, err := mongodb.TokenTime(batch.PostBatchToken)
		if err != nil {
			return p, err
		}
		p.last = batch.PostBatchToken
		if p.opening == nil {
			// The token of an opening leads the last operation by one, and that may
			// not be on a majority yet: reading waits for it.
			p.opening, p.readAt = batch.PostBatchToken, migration.Later(now, reached.Previous())
		}
		found, err := catalogChanges(batch.Documents, f)
		if err != nil {
			return p, err
		}
		for _, db := range found {
			if !slices.Contains(p.dirty, db) {
				p.dirty = append(p.dirty, db)
			}
		}
		if !reached.Before(now) {
			return p, nil
		}
	}
}

// catalogChanges names the databases of the events that are not about documents.
func catalogChanges(events bson.RawArray, f namespace.Filter) ([]string, error) {
	values, err := events.Values()
	if err != nil {
		return nil, err
	}
	var dbs []string
	for _, v := range values {
		event := v.Document()
		kind, _ := event.Lookup("operationType").StringValueOK()
		if slices.Contains(documentEvents, kind) {
			continue
		}
		for _, path := range [][]string{{"ns", "db"}, {"to", "db"}} {
			if db, ok := event.Lookup(path...).StringValueOK(); ok && f.MatchesDB(db) {
				dbs = append(dbs, db)
			}
		}
	}
	return dbs, nil
}
