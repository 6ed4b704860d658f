// Package namespace decides which collections are migrated.
package namespace

import (
	"fmt"
	"strings"

	"mongoferry/internal/migration"
)

// Filter is a set of include and exclude patterns. Exclude wins; without
// include patterns everything is included.
type Filter struct {
	include, exclude []pattern
	metadataDB       string
}

// pattern is a database, or one collection of it when collection is not empty.
type pattern struct{ db, collection string }

func (p pattern) matches(ns migration.Namespace) bool {
	return p.db == ns.DB && (p.collection == "" || p.collection == ns.Collection)
}

// Parse reads patterns of the forms db, db.* and db.collection. The metadata
// database of the migration itself never matches.
func Parse(include, exclude []string, metadataDB string) (Filter, error) {
	f := Filter{metadataDB: metadataDB}
	var err error
	if f.include, err = parseAll("include", include); err != nil {
		return Filter{}, err
	}
	f.exclude, err = parseAll("exclude", exclude)
	return f, err
}

func parseAll(what string, texts []string) ([]pattern, error) {
	var patterns []pattern
	for _, text := range texts {
		db, collection, _ := strings.Cut(text, ".")
		if db == "" || strings.ContainsAny(db, "*/\\ \"$") || (strings.Contains(collection, "*") && collection != "*") || strings.HasSuffix(text, ".") {
			return nil, fmt.Errorf("%s %q: want db, db.* or db.collection", what, text)
		}
		if isSystemDB(db) {
			return nil, fmt.Errorf("%s %q: the databases admin, local and config belong to the server and are not migrated", what, text)
		}
		if collection == "*" {
			collection = ""
		}
		patterns = append(patterns, pattern{db, collection})
	}
	return patterns, nil
}

// Matches says whether the collection or view is to be migrated. Buckets go with
// their time-series collection; of the server's own collections only the stored
// functions hold what users wrote.
func (f Filter) Matches(ns migration.Namespace) bool {
	ns = ns.Logical()
	if !f.reachable(ns.DB) || (strings.HasPrefix(ns.Collection, "system.") && !ns.IsStoredFunctions()) {
		return false
	}
	for _, p := range f.exclude {
		if p.matches(ns) {
			return false
		}
	}
	for _, p := range f.include {
		if p.matches(ns) {
			return true
		}
	}
	return len(f.include) == 0
}

// MatchesDB says whether anything in the database may match.
func (f Filter) MatchesDB(db string) bool {
	if !f.reachable(db) {
		return false
	}
	for _, p := range f.exclude {
		if p.db == db && p.collection == "" {
			return false
		}
	}
	for _, p := range f.include {
		if p.db == db {
			return true
		}
	}
	return len(f.include) == 0
}

func (f Filter) reachable(db string) bool { return !isSystemDB(db) && db != f.metadataDB }

func isSystemDB(db string) bool { return db == "admin" || db == "local" || db == "config" }
