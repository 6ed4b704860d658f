package replication

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// documentRefused is the fault of a document that the destination does not take.
type documentRefused struct {
	collection catalog.UUID
	code       int32
	*migration.Fault
}

// Unwrap gives the fault.
func (d *documentRefused) Unwrap() error { return d.Fault }

// never are codes of refusals in which no index has a part, or one that was made
// by somebody else.
var never = map[int32]bool{
	mongodb.CodeDuplicateKey: true, mongodb.CodeUserWritesBlocked: true, mongodb.CodeBSONObjectTooLarge: true, codeImmutableField: true,
}

// codeImmutableField: the change would give a document another _id.
const codeImmutableField = 66

// applyBatch applies a batch. A document that an index stands against belongs to
// another moment than the index: it is older than the index in a batch that is
// applied again, or was read from the source after the index was dropped. The
// indexes of that collection are put off, and the rest of the batch is applied again.
func (a *Applier) applyBatch(ctx context.Context, b readBatch) error {
	for {
		done, err := a.apply(ctx, b.events)
		b.events = b.events[done:]
		refused, ok := errors.AsType[*documentRefused](err)
		if !ok || never[refused.code] {
			return err
		}
		// Nothing that was broken off may still be on its way, also since it would hold
		// the drop of an index up.
		if err := a.takeSlots(ctx); err != nil {
			return err
		}
		n, putErr := a.putOff(ctx, refused)
		if putErr != nil {
			return putErr
		}
		if n == 0 {
			return err
		}
		now, err := mongodb.ReadableOpTime(ctx, a.Source)
		if err != nil {
			return err
		}
		a.base = migration.Later(a.base, now)
		a.aheadUntil = migration.Later(a.aheadUntil, now)
		clear(a.ahead) // what was read may not have been written; what was is not after now
	}
}

func (a *Applier) putOff(ctx context.Context, refused *documentRefused) (int, error) {
	c, ok := a.Map.ByUUID(refused.collection)
	if !ok {
		return 0, nil
	}
	var n int
	put := func(ctx context.Context, ch *catalog.Changer) error {
		again, _ := a.Map.ByUUID(refused.collection) // as the last try has left it
		put, err := ch.PutOff(ctx, again)
		n = max(n, put)
		return err
	}
	err := a.change(ctx, "put indexes of "+c.NS.String()+" off", catalog.Changer{}, put)
	if n > 0 {
		a.waiting = true
		a.Log.Info("indexes stand against a document of another moment: they are built again later",
			zap.String("ns", c.NS.String()), zap.Int("indexes", n), zap.Error(refused))
	}
	return n, err
}

// dropWaiting makes sure that indexes that an earlier attempt has put off are not there.
func (a *Applier) dropWaiting(ctx context.Context) error {
	for _, c := range a.Map.Waiting() {
		if a.gone[c.UUID] {
			continue
		}
		drop := func(ctx context.Context, ch *catalog.Changer) error { return ch.DropWaiting(ctx, c) }
		if err := a.change(ctx, "drop the indexes of "+c.NS.String()+" that are put off", catalog.Changer{}, drop); err != nil {
			return err
		}
	}
	return nil
}

// buildWaiting builds indexes that were put off, once no document is newer than
// the position.
func (a *Applier) buildWaiting(ctx context.Context) error {
	if !a.waiting || a.progress.OpTime.Before(a.progress.SafeAfter) {
		return nil
	}
	waiting := false
	for _, c := range a.Map.Waiting() {
		if !c.SafeAfter.Before(a.progress.OpTime) {
			waiting = true
			continue
		}
		build := func(ctx context.Context, ch *catalog.Changer) error { return ch.BuildWaiting(ctx, c) }
		if err := a.change(ctx, "build the indexes of "+c.NS.String()+" that were put off", catalog.Changer{}, build); err != nil {
			return err
		}
	}
	a.waiting = waiting
	return nil
}
