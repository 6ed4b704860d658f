package activities

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

const (
	// lookEvery is how often the oplog is looked at while nothing is applied, and
	// how soon a changed feature compatibility version is noticed.
	lookEvery = 3 * time.Second
	// measureAfter is how long changes are applied before their speed is told.
	measureAfter = 10 * time.Second
)

// Compatibility is the feature compatibility versions that both sides began with.
type Compatibility struct {
	Source      string `json:"source"`
	Destination string `json:"destination"`
}

// WatchInput asks for a watch over a position in the source's oplog that is
// needed for so many seconds more, migration.Unknown when nobody can tell.
type WatchInput struct {
	Spec          migration.Spec `json:"spec"`
	Position      Position       `json:"position"`
	Compatibility Compatibility  `json:"compatibility"`
	Needed        int64          `json:"needed"`
	// Warned is what remained at the last warning, Unreadable that the operator
	// knows that the oplog cannot be looked at.
	Warned     int64         `json:"warned,omitempty"`
	Unreadable bool          `json:"unreadable,omitempty"`
	Duration   time.Duration `json:"duration"`
}

// WatchResult is the last look.
type WatchResult struct {
	Window migration.OplogWindow `json:"window"`
}

// WatchOplog watches over a position that nobody moves: during the copy, and while
// the migration is paused. It ends when there is something to warn of, or after a
// while; it fails when the position is lost, or when the feature compatibility
// version of one side was changed. It writes nothing.
func (a *Activities) WatchOplog(ctx context.Context, in WatchInput) (WatchResult, error) {
	return work(ctx, a, in.Spec, func(ctx context.Context, s *session) (WatchResult, error) {
		at, err := mongodb.TokenTime(in.Position.ResumeToken)
		if err != nil {
			return WatchResult{}, err
		}
		w := watch{session: s, in: in, at: at}
		end := time.Now().Add(in.Duration)
		for {
			if err := w.look(ctx); err != nil {
				return WatchResult{}, err
			}
			if w.worth() || time.Now().After(end) {
				return WatchResult{Window: w.last}, nil
			}
			if !pause(ctx, lookEvery) {
				return WatchResult{Window: w.last}, nil
			}
		}
	})
}

// watch is a watch under way over a time of the oplog; last is the last look that
// came to something.
type watch struct {
	*session
	in   WatchInput
	at   migration.OpTime
	last migration.OplogWindow
}

// look reads the oplog and the feature compatibility versions. A cluster that is
// away now is for those that work on it to tell of.
func (w *watch) look(ctx context.Context) error {
	if err := w.checkCompatibility(ctx, w.in.Compatibility); err != nil {
		return err
	}
	oplog, err := mongodb.ReadOplog(ctx, w.source)
	switch {
	case migration.KindOf(err) == migration.AccessDenied:
		w.last = migration.OplogWindow{Unreadable: true}
		w.log.Debug("the oplog window is not known", zap.Error(err))
		return nil
	case err != nil:
		w.log.Debug("the oplog could not be looked at", zap.Error(err))
		return nil
	case !oplog.Holds(w.at):
		return oplog.HistoryLost(w.at)
	}
	w.last = oplog.Window(w.at)
	window := w.last
	w.report(nil, migration.Live{Window: &window})
	return nil
}

// worth says whether the operator must be told something.
func (w *watch) worth() bool {
	return w.last.Unreadable && !w.in.Unreadable || w.last.Endangered(w.in.Needed, w.in.Warned)
}

// pause waits; false when the context has ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// checkCompatibility gives a fault when the feature compatibility version of one
// side was changed. Any other failure to ask is passed over: the next look comes
// soon.
func (s *session) checkCompatibility(ctx context.Context, known Compatibility) error {
	for _, side := range []struct {
		client *mongodb.Client
		was    string
	}{{s.source, known.Source}, {s.destination, known.Destination}} {
		err := mongodb.CheckFeatureCompatibility(ctx, side.client, side.was)
		if migration.KindOf(err) == migration.CompatibilityChanged {
			return err
		}
		if err != nil {
			s.log.Debug("the feature compatibility version is not known", zap.String("side", side.client.Name()), zap.Error(err))
		}
	}
	return nil
}

// underCompatibility does something that ends with a fault when the feature
// compatibility version of one side is changed meanwhile. What the change has
// broken comes second.
func (s *session) underCompatibility(ctx context.Context, known Compatibility, do func(context.Context) error) error {
	working, stop := context.WithCancel(ctx)
	defer stop()
	var changed error
	var looks sync.WaitGroup
	looks.Go(func() {
		for changed == nil {
			if changed = s.checkCompatibility(working, known); changed != nil {
				stop()
			}
			if !pause(working, lookEvery) {
				return
			}
		}
	})
	err := do(working)
	stop()
	looks.Wait()
	if changed == nil && migration.KindOf(err).Terminal() {
		changed = s.checkCompatibility(ctx, known)
	}
	if changed != nil {
		return changed
	}
	return err
}
