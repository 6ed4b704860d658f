package mongodb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// Patience of Retry: elections take seconds, a restarted server with much to
// recover takes minutes; the activity's own retry goes on beyond it.
const (
	firstPause = 50 * time.Millisecond
	maxPause   = 5 * time.Second
)

// troubleAfter is how long a step may fail before it is more than an election.
const troubleAfter = 5 * time.Second

type troubleKey struct{}

// WithTrouble gives a context under which Retry tells of a step that has been
// failing for a while, and with "" that it works again.
func WithTrouble(ctx context.Context, tell func(text string)) context.Context {
	return context.WithValue(ctx, troubleKey{}, tell)
}

func troubleOf(ctx context.Context) func(string) {
	if tell, ok := ctx.Value(troubleKey{}).(func(string)); ok {
		return tell
	}
	return func(string) {}
}

// Retry repeats an idempotent step while its error is transient and the context
// lives, with growing pauses. The first failure is logged with its cause, the
// repetitions are counted in the line that tells the end.
func Retry(ctx context.Context, log *zap.Logger, what string, step func() error) error {
	return RetryLong(ctx, log, what, func(func()) error { return step() })
}

// RetryLong is Retry for a step that takes long, such as reading a whole
// collection. The step calls works whenever it has got somewhere: a failure after
// that is a new one, with short pauses and patience of its own.
func RetryLong(ctx context.Context, log *zap.Logger, what string, step func(works func()) error) error {
	tell := troubleOf(ctx)
	attempts, pause := 0, firstPause
	since := time.Now() // when it last worked, or began
	works := func() {
		if attempts > 0 {
			tell("")
			log.Info("step succeeded after retries", zap.String("step", what),
				zap.Int("attempts", attempts+1), zap.Duration("elapsed", time.Since(since)))
		}
		attempts, pause, since = 0, firstPause, time.Now()
	}
	for {
		err := step(works)
		if err == nil {
			works()
			return nil
		}
		if !IsTransient(err) {
			return err
		}
		if ctx.Err() != nil {
			return stopped(ctx, err)
		}
		if attempts++; attempts == 1 {
			log.Warn("step failed, retrying", zap.String("step", what), zap.Error(err))
		}
		if time.Since(since) > troubleAfter {
			tell(what + " fails: " + err.Error())
		}
		select {
		case <-ctx.Done():
			return stopped(ctx, err)
		case <-time.After(pause):
		}
		pause = min(pause*2, maxPause)
	}
}

// stopped says that the context has ended, so that IsStop sees it, and what the
// step was failing from.
func stopped(ctx context.Context, err error) error {
	if errors.Is(err, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w: %w", ctx.Err(), err)
}
