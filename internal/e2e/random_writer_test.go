package e2e

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/random"
)

// calmPace is the time between two operations of a writer when the migration is to
// catch up: writers side by side change the catalog faster than one after the other
// can repeat it.
const calmPace = time.Second / 3

// enoughToMeet is after how many operations, some of which read only what is not
// there, a writer must have met the fence.
const enoughToMeet = 150

// randomWriter is one writer, alone in its databases.
type randomWriter struct {
	*random.Writer
	generator *random.Generator
	// early is its log up to the start of the migration.
	early []bson.D
	// blocked counts the operations that met the fence.
	blocked int
}

// before writes what is there at the start, so many operations.
func (w *randomWriter) before(ctx context.Context, operations int) error {
	for range operations {
		if err := w.next(ctx); err != nil {
			return err
		}
	}
	w.early, w.Log = w.Log, nil
	w.generator.ExpectFence()
	return nil
}

// write goes on until it is told to stop, at a pace that may change. While the
// source is fenced each operation is refused; a cutover that is backed out lets it
// go on.
func (w *randomWriter) write(ctx context.Context, pace func() time.Duration, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return w.meetFence(ctx)
		case <-time.After(pace()):
		}
		if err := w.next(ctx); err != nil {
			return err
		}
	}
}

// meetFence goes on until the fence has refused something: it stays after the
// cutover.
func (w *randomWriter) meetFence(ctx context.Context) error {
	for n := 0; w.blocked == 0 && n < enoughToMeet; n++ {
		if err := w.next(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *randomWriter) next(ctx context.Context) error {
	op := w.generator.Next()
	code, err := w.Do(ctx, op)
	if err != nil {
		return fmt.Errorf("the source did not answer to %v: %w", op.Doc, err)
	}
	if code == random.WritesBlocked {
		w.blocked++
	}
	return nil
}
