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

// Retry repeats an idempotent step while its error is transient and the context
// lives, with growing pauses. The first failure is logged with its cause, the
// repetitions are counted in the line that tells the end.
func Retry(ctx context.Context, log *zap.Logger, what string, step func() error) error {
	pause := firstPause
	started := time.Now()
	for attempt := 1; ; attempt++ {
		err := step()
		if err == nil {
			if attempt > 1 {
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
