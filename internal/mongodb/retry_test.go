package mongodb

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"mongoferry/internal/migration"
)

func election() error { return &Error{Side: "source", Code: 189, Message: "stepped down"} }

func TestRetry(t *testing.T) {
	t.Parallel()
	refusal := &Error{Code: CodeDuplicateKey}
	fault := migration.NewFault(migration.LeaseLost, "lost")
	cases := []struct {
		name   string
		errs   []error // one for each attempt
		want   error
		levels []string
	}{
		{"at once", []error{nil}, nil, nil},
		{"after an election", []error{election(), election(), election(), nil}, nil, []string{"warn", "info"}},
		{"refused", []error{refusal}, refusal, nil},
		{"refused later", []error{election(), refusal}, refusal, []string{"warn"}},
		{"a fault", []error{fault}, fault, nil},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				core, lines := observer.New(zap.DebugLevel)
				attempts := 0
				err := Retry(t.Context(), zap.New(core), "do it", func() error {
					attempts++
					return tc.errs[attempts-1]
				})
				if !errors.Is(err, tc.want) || attempts != len(tc.errs) {
					t.Errorf("got %v after %d attempts, want %v after %d", err, attempts, tc.want, len(tc.errs))
				}
				checkLines(t, lines, tc.levels)
			})
		})
	}
}

func checkLines(t *testing.T, lines *observer.ObservedLogs, levels []string) {
	t.Helper()
	all := lines.All()
	if len(all) != len(levels) {
		t.Fatalf("got %d lines, want %v: %v", len(all), levels, all)
	}
	for i, line := range all {
		if line.Level.String() != levels[i] || line.ContextMap()["step"] != "do it" {
			t.Errorf("line %d: %v", i, line)
		}
	}
	if len(levels) > 0 && all[0].ContextMap()["error"] != election().Error() {
		t.Errorf("the first failure was logged without its cause: %v", all[0].ContextMap())
	}
	if len(levels) > 1 && all[1].ContextMap()["attempts"] != int64(4) {
		t.Errorf("the end was logged without the attempts: %v", all[1].ContextMap())
	}
}

// The context's end is noticed between two attempts, and both it and the cause
// of the attempts can be told.
func TestRetryStops(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Hour)
		},
		"cancel": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Hour, cancel)
			return ctx, cancel
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := begin(t.Context())
				defer cancel()
				started := time.Now()
				attempts := 0
				err := Retry(ctx, nop(), "do it", func() error { attempts++; return election() })
				if !errors.Is(err, ctx.Err()) || !IsStop(err) || Code(err) != 189 {
					t.Errorf("got %v, want the end of the context and the election", err)
				}
				if time.Since(started) != time.Hour {
					t.Errorf("ended after %s, want at the context's end", time.Since(started))
				}
				if attempts < 700 || attempts > 800 {
					t.Errorf("%d attempts in an hour: the pauses are not bounded by %s", attempts, maxPause)
				}
			})
		})
	}
}
