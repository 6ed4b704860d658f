package activities

import (
	"context"
	"errors"
	"testing"
	"time"

	"mongoferry/internal/migration"
)

// TestLimiterShares: four that share a max rate let through, together, what it says:
// never more, and not much less.
func TestLimiterShares(t *testing.T) {
	t.Parallel()
	const whole, each, documents = 4000, 4, 500
	began := time.Now()
	done := make(chan error, each)
	for range each {
		go func() {
			l := newLimiter(migration.Rate{Documents: whole}.Share(each))
			var err error
			for left := int64(documents); left > 0 && err == nil; left -= 100 {
				err = l.Wait(t.Context(), 100, 1<<40)
			}
			done <- err
		}()
	}
	for range each {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(began); took < 480*time.Millisecond {
		t.Errorf("%d documents took %s at %d a second", each*documents, took, whole)
	}
}

func TestLimiterOfBytes(t *testing.T) {
	t.Parallel()
	l := newLimiter(migration.Rate{Bytes: 1000})
	for bytes, want := range map[int64]int{0: 1000, 10: 100, 5000: 1} {
		if got := l.Documents(bytes); got != want {
			t.Errorf("%d of %d bytes at once, want %d", got, bytes, want)
		}
	}
	if got := newLimiter(migration.Rate{Documents: 3}).Documents(1 << 20); got != 3 {
		t.Errorf("%d documents at once", got)
	}
	if newLimiter(migration.Rate{}) != nil {
		t.Error("no limit is one")
	}
}

// TestLimiterEnds: a wait of hours ends with the context.
func TestLimiterEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	stop, end := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, end)
	for _, ctx := range []context.Context{ctx, stop} {
		began := time.Now()
		err := newLimiter(migration.Rate{Bytes: 100}).Wait(ctx, 1, 16<<20)
		if took := time.Since(began); err == nil || took > 10*time.Second {
			t.Errorf("it ended after %s with %v", took, err)
		}
		if !errors.Is(err, ctx.Err()) {
			t.Errorf("got %v", err)
		}
	}
}
