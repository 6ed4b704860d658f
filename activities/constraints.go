package activities

import (
	"context"
	"slices"
	"strings"
	"time"

	"mongoferry/internal/catalog"
	"mongoferry/internal/cutover"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/namespace"
	"mongoferry/internal/ownership"
)

// lookBudget is how long a look goes on to the next index; the next look begins
// there. Changes wait meanwhile.
const lookBudget = 20 * time.Second

// Suspicion is a unique index with equal keys that may have passed by with the
// changes. What is found again once the position has passed Until is a violation.
type Suspicion struct {
	Namespace string           `json:"namespace"`
	IndexName string           `json:"indexName"`
	Groups    []string         `json:"groups"`
	Until     migration.OpTime `json:"until"`
}

// maxSuspicions bounds what one look hands on to the next: what is beyond it is found
// again when the others are sure, and at the cutover in any case.
const maxSuspicions = 50

// Look is what the looks at unique indexes have found so far: violations, and what
// they are not sure of. After is the index that the last one got to, "" when it
// was done with all.
type Look struct {
	Violations []migration.UnsuccessfulIndex `json:"violations,omitempty"`
	Suspicions []Suspicion                   `json:"suspicions,omitempty"`
	After      string                        `json:"after,omitempty"`
	// Omitted counts violations beyond those listed.
	Omitted int `json:"omitted,omitempty"`
}

// ConstraintsInput asks for a look at what stands against indexes. From is where
// the sync stands.
type ConstraintsInput struct {
	Spec migration.Spec `json:"spec"`
	From Position       `json:"from"`
	Look Look           `json:"look"`
}

// ConstraintsResult is what is known now, the index builds in progress on the
// source among it. Epoch is that of the position from now on.
type ConstraintsResult struct {
	Look     Look                          `json:"look"`
	Building []migration.UnsuccessfulIndex `json:"building,omitempty"`
	Epoch    int64                         `json:"epoch"`
	Took     time.Duration                 `json:"took"`
}

// LookAtConstraints finds what an operator should know of before the cutover.
// Nothing may be applied meanwhile. It takes the lane of the replication over: an
// attempt that wakes later changes nothing; and when it does not come to its end,
// the next attempt to apply changes sees to it that equal keys are taken again.
func (a *Activities) LookAtConstraints(ctx context.Context, in ConstraintsInput) (ConstraintsResult, error) {
	return work(ctx, a, in.Spec, func(ctx context.Context, s *session) (ConstraintsResult, error) {
		began := time.Now()
		result := ConstraintsResult{Look: in.Look, Epoch: in.From.Epoch}
		var err error
		if result.Building, err = s.building(ctx); err != nil {
			return result, err
		}
		if err := s.violations(ctx, in, &result); err != nil {
			return result, err
		}
		result.Building, _ = migration.ListIndexes(result.Building)
		result.Took = time.Since(began)
		return result, nil
	})
}

// building names the indexes that are being built on the source.
func (s *session) building(ctx context.Context) ([]migration.UnsuccessfulIndex, error) {
	filter, err := filterOf(s.spec)
	if err != nil {
		return nil, err
	}
	names, err := cutover.IndexBuilds(ctx, s.source)
	if err != nil {
		return nil, err
	}
	var all []migration.UnsuccessfulIndex
	for _, ns := range migrated(filter, names) {
		found, err := catalog.Building(ctx, s.source, ns)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func migrated(filter namespace.Filter, names []string) []migration.Namespace {
	var out []migration.Namespace
	for _, name := range names {
		db, coll, _ := strings.Cut(name, ".")
		if ns := (migration.Namespace{DB: db, Collection: coll}); filter.Matches(ns) {
			out = append(out, ns)
		}
	}
	return out
}

// violations looks for equal keys, if the destination is as the position says: an
// attempt that nobody heard the end of may have got further.
func (s *session) violations(ctx context.Context, in ConstraintsInput, result *ConstraintsResult) error {
	marker, err := s.ledger.Find(ctx)
	if err != nil {
		return err
	}
	if marker == nil || marker.Lanes[ownership.LaneReplication] != in.From.Epoch {
		s.log.Info("the next slice must find out where the destination stands before unique indexes can be looked at")
		return nil
	}
	now, err := mongodb.MajorityOpTime(ctx, s.source)
	if err != nil {
		return err
	}
	if in.From.OpTime.LagSeconds(now) > int64(s.spec.ReadyLag/time.Second) {
		return nil // catching up comes first
	}
	attempt, err := s.ledger.Begin(ctx, ownership.LaneReplication)
	if err != nil || attempt.Previous != in.From.Epoch {
		return err
	}
	cols := catalog.NewMap(s.destination, s.spec.MetadataDB)
	if err := cols.Load(ctx); err != nil {
		return err
	}
	l := looking{in: in, until: time.Now().Add(lookBudget), known: map[string]bool{}}
	found, err := catalog.UniqueViolations(ctx, s.destination, cols, l.pick, func(ctx context.Context) error {
		return s.ledger.Check(ctx, ownership.LaneReplication, attempt.Epoch)
	})
	if err != nil {
		return err
	}
	result.Look, result.Epoch = l.sum(found), attempt.Epoch
	return nil
}

// looking is a look on its way. known are the indexes that it came by: those that
// it looks at are true.
type looking struct {
	in    ConstraintsInput
	until time.Time
	known map[string]bool
	last  string
	cut   bool
}

// place orders indexes as they are asked for.
func place(ns, index string) string { return ns + "\x00" + index }

func (l *looking) pick(ns migration.Namespace, index string) bool {
	at := place(ns.String(), index)
	look := false
	switch {
	case l.in.Look.After != "" && !l.passed():
		// An earlier look was here; when that index is gone, everything is begun anew.
	case time.Now().After(l.until) && l.last != "":
		l.cut = true
	default:
		look, l.last = true, at
	}
	l.known[at] = look
	return look
}

// passed says whether the index that the last look got to has been come by.
func (l *looking) passed() bool {
	_, ok := l.known[l.in.Look.After]
	return ok
}

// sum adds what was found to what is known of the indexes that were not looked at.
func (l *looking) sum(found []catalog.Violation) Look {
	var out Look
	if l.cut {
		out.After = l.last
	}
	stays := func(ns, index string) bool {
		looked, known := l.known[place(ns, index)]
		return known && !looked
	}
	for _, v := range l.in.Look.Violations {
		if stays(v.Namespace, v.IndexName) {
			out.Violations = append(out.Violations, v)
		}
	}
	for _, s := range l.in.Look.Suspicions {
		if stays(s.Namespace, s.IndexName) {
			out.Suspicions = append(out.Suspicions, s)
		}
	}
	for _, v := range found {
		if sure(l.in, v) {
			out.Violations = append(out.Violations, v.UnsuccessfulIndex)
		}
		// What is sure now must be so the next time.
		out.Suspicions = append(out.Suspicions, Suspicion{
			Namespace: v.Namespace, IndexName: v.IndexName, Groups: v.Groups, Until: l.in.From.SafeAfter,
		})
	}
	out.Violations, out.Omitted = migration.ListIndexes(out.Violations)
	out.Suspicions = out.Suspicions[:min(len(out.Suspicions), maxSuspicions)]
	return out
}

// sure says whether equal keys cannot be those of two moments. When no document of
// the destination is newer than the position, nothing is; otherwise the same
// documents must have had equal keys before, at a time that has been passed since.
func sure(in ConstraintsInput, v catalog.Violation) bool {
	at := in.From.OpTime
	if !at.Before(in.From.SafeAfter) || len(v.Groups) == 0 {
		return true
	}
	return slices.ContainsFunc(in.Look.Suspicions, func(s Suspicion) bool {
		return s.Namespace == v.Namespace && s.IndexName == v.IndexName && !at.Before(s.Until) &&
			slices.ContainsFunc(s.Groups, func(g string) bool { return slices.Contains(v.Groups, g) })
	})
}
