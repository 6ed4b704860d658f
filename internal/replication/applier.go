// Package replication applies the source's change stream to the destination:
// exactly, in any number of runs, from any token that has not been lost.
//
// A batch of events is coalesced by document, applied by several writers, and
// then its token becomes the checkpoint. A catalog change ends what was
// collected before it. Where an update cannot be repeated exactly as a delta,
// because it is ambiguous or because the destination's document may be newer than
// the event, the document is read from the source again and written as it is;
// see ahead.
package replication

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/namespace"
	"mongoferry/internal/ownership"
)

// Position is where the applying stands. Every update event up to SafeAfter may
// meet a document that is newer than the event.
type Position struct {
	ResumeToken bson.Raw
	OpTime      migration.OpTime
	SafeAfter   migration.OpTime
}

// MaxWriters is how many writers there may be. The slots of all are taken over by
// every attempt: an earlier one may have had more of them at work.
const MaxWriters = 8

// Config is what an Applier works with. Attempt is that in the Lane of the Ledger;
// Repeated says that an attempt unknown to the caller may have got
// further than the position.
type Config struct {
	Source, Destination *mongodb.Client
	Log                 *zap.Logger
	Map                 *catalog.Map
	Filter              namespace.Filter
	Ledger              *ownership.Ledger
	Lane                string
	Attempt             ownership.Attempt
	Repeated            bool
	MetaDB              string
	// Writers is how many writers work side by side, at most MaxWriters.
	Writers int
	// Limit, when set, bounds how much is applied in a second.
	Limit Limiter
	// Copier copies collections of which the stream does not tell the documents.
	Copier catalog.Copier
	// Report, when set, is told of the progress after every batch, also empty
	// ones, which come several times a second.
	Report func(Progress)
	// Watch, when set, is told of every change to a migrated namespace.
	Watch func(Change)
}

// Change is a change to a migrated namespace. ID is zero for catalog changes.
type Change struct {
	NS   migration.Namespace
	Kind string
	ID   bson.RawValue
	At   migration.OpTime
	// TTL says whether the server itself may have made it: a delete in a
	// collection with expiry.
	TTL bool
}

// Progress is how far a run has come. Counts are of this run. SourceOpTime is
// the source's last majority optime, read in the same round as Position.
type Progress struct {
	Position
	SourceOpTime  migration.OpTime
	EventsRead    int64
	EventsApplied int64
	Ignored       int64
	Refetched     int64
	// Window is the last look at the source's oplog.
	Window migration.OplogWindow
	// Broken says that the run ended within a batch: the destination may be ahead
	// of the position, also in its catalog, which a next run must find out about.
	Broken bool
}

// Until says when a run is to end; it is asked after every batch.
type Until func(Progress) bool

// Applier applies changes. It is for one run at a time.
type Applier struct {
	Config
	slots []*mongodb.Slot

	progress Progress
	// base is the time up to which any document may be newer than its event, ahead are
	// the documents that are for another reason: they were read from the source. None
	// of those is newer than aheadUntil. aheadKept is how many were left when old ones
	// were last forgotten.
	base       migration.OpTime
	ahead      map[key]ahead
	aheadUntil migration.OpTime
	aheadKept  int
	// gone are collections that an earlier attempt has dropped already.
	gone     map[catalog.UUID]bool
	unknown  map[catalog.UUID]bool
	windowAt time.Time
	// waiting says that the map may hold indexes that were put off.
	waiting bool
}

// New prepares an applier: it loads the catalog map and takes over the writers'
// slots, so that from then on no earlier attempt can write.
func New(ctx context.Context, c Config) (*Applier, error) {
	if err := c.Map.Load(ctx); err != nil {
		return nil, err
	}
	a := &Applier{Config: c, ahead: map[key]ahead{}, gone: map[catalog.UUID]bool{}, unknown: map[catalog.UUID]bool{}, waiting: true}
	for i := range MaxWriters {
		a.slots = append(a.slots, mongodb.NewSlot(c.Destination, c.Log, c.MetaDB, c.Attempt.SlotName(fmt.Sprintf("apply %d", i)), c.Attempt.Epoch))
	}
	if err := a.takeSlots(ctx); err != nil {
		return nil, err
	}
	if c.Repeated {
		if err := a.reconcile(ctx); err != nil {
			return nil, err
		}
	}
	return a, a.dropWaiting(ctx)
}

// takeSlots takes all slots over: no earlier write is under way in them after that.
func (a *Applier) takeSlots(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, slot := range a.slots {
		group.Go(func() error { return slot.Take(ctx) })
	}
	return group.Wait()
}

// reconcile finds out what an earlier attempt has done to the catalog, now that
// none can do any more.
func (a *Applier) reconcile(ctx context.Context) error {
	gone, err := a.Map.Reconcile(ctx)
	if err != nil {
		return err
	}
	for _, c := range gone {
		a.gone[c.UUID] = true
		a.Log.Info("gone from the destination: its end must be near in the change stream", zap.Stringer("ns", c.NS))
	}
	return nil
}

// Run applies changes from a position until told to stop, the context ends or an
// error. It always gives the position reached; running again from it, or from
// any earlier one with Repeated set, changes nothing in the result.
func (a *Applier) Run(ctx context.Context, from Position, until Until) (Progress, error) {
	a.progress = Progress{Position: from}
	if a.Repeated {
		now, err := mongodb.ReadableOpTime(ctx, a.Source)
		if err != nil {
			return a.progress, err
		}
		a.progress.SafeAfter = migration.Later(a.progress.SafeAfter, now)
		a.Repeated = false
	}
	a.base = a.progress.SafeAfter
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	batches := make(chan readBatch, readAhead)
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(batches)
		r := &reader{source: a.Source, log: a.Log, token: from.ResumeToken}
		return r.run(groupCtx, batches)
	})
	done := false
	group.Go(func() error {
		for b := range batches {
			last, err := a.takeAll(groupCtx, b.joined(batches), until)
			if err != nil {
				return err // it ends the reader, whose own error comes second
			}
			if last {
				done = true
				stop()
				return nil
			}
		}
		return nil
	})
	err := group.Wait()
	if done && (err == nil || errors.Is(err, context.Canceled)) {
		err = nil
	}
	return a.progress, err
}

// take applies a batch and moves the checkpoint behind it.
func (a *Applier) take(ctx context.Context, b readBatch) error {
	if err := a.firstLook(ctx); err != nil {
		return err
	}
	// Should the batch be broken off, its documents may be newer than the
	// position that was reached.
	a.progress.SafeAfter = migration.Later(a.progress.SafeAfter, b.last())
	a.progress.Broken = true
	if err := a.applyBatch(ctx, b); err != nil {
		a.progress.SafeAfter = migration.Later(a.progress.SafeAfter, a.aheadUntil)
		return err
	}
	a.progress.SafeAfter = migration.Later(a.base, a.aheadUntil)
	a.progress.Broken = false
	a.progress.ResumeToken, a.progress.OpTime = b.token, b.opTime
	a.progress.EventsRead += int64(len(b.events))
	a.forget()
	if err := a.buildWaiting(ctx); err != nil {
		return err
	}
	return a.look(ctx)
}

// manyAhead is from how many documents on it is worth looking for old ones, maxAhead for
// how many there is memory.
const (
	manyAhead = 1000
	maxAhead  = 100_000
)

// forget gives up what is known of documents that the position has passed. Where there are
// too many others, any document may be one of them; what they hold already is read again.
func (a *Applier) forget() {
	if len(a.ahead) < manyAhead+2*a.aheadKept && len(a.ahead) < maxAhead {
		return
	}
	maps.DeleteFunc(a.ahead, func(_ key, of ahead) bool { return of.atMost.Before(a.progress.OpTime) })
	if len(a.ahead) >= maxAhead {
		a.base = migration.Later(a.base, a.aheadUntil)
		clear(a.ahead)
	}
	a.aheadKept = len(a.ahead)
}

// firstLook reads the source's optime before the position moves: a lag that nobody
// knows would look like none.
func (a *Applier) firstLook(ctx context.Context) error {
	if !a.progress.SourceOpTime.IsZero() {
		return nil
	}
	return mongodb.Retry(ctx, a.Log, "read the source's optime", func() (err error) {
		a.progress.SourceOpTime, err = mongodb.MajorityOpTime(ctx, a.Source)
		return err
	})
}

// look reads the source's optime and, now and then, the oplog window. While the
// source does not answer, its last known optime stands.
func (a *Applier) look(ctx context.Context) error {
	now, err := mongodb.MajorityOpTime(ctx, a.Source)
	if err != nil && !mongodb.IsTransient(err) {
		return err
	}
	// The position may be newer than what one member said of the majority.
	a.progress.SourceOpTime = migration.Later(migration.Later(now, a.progress.SourceOpTime), a.progress.OpTime)
	if time.Since(a.windowAt) > windowEvery {
		a.windowAt = time.Now()
		a.progress.Window = oplogWindow(ctx, a.Source, a.Log, a.progress.OpTime)
	}
	if a.Report != nil {
		a.Report(a.progress)
	}
	return nil
}
