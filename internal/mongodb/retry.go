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
	pause := firstPause
	started := time.Now()
	tell := troubleOf(ctx)
	for attempt := 1; ; attempt++ {
		err := step()
		if err == nil {
			if attempt > 1 {
				tell("")
				log.Info("step succeeded after retries", zap.String("step", what),
					zap.Int("attempts", attempt), zap.Duration("elapsed", time.Since(started)))
			}
			return nil
		}
		if !IsTransient(err) {
			return err
		}
		if ctx.Err() != nil {
			return stopped(ctx, err)
		}
		if time.Since(started) > troubleAfter {
			tell(what + " fails: " + err.Error())
		}
		if attempt == 1 {
			log.Warn("step failed, retrying", zap.String("step", what), zap.Error(err))
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
