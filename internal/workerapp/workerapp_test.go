package workerapp

import (
	"context"
	"testing"

	"go.uber.org/zap"
)

// TestAskedToEndAtOnce: a worker that is asked to end before it has reached Temporal
// ends well.
func TestAskedToEndAtOnce(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, Options{HostPort: "127.0.0.1:1", TaskQueue: "queue", Log: zap.NewNop()}); err != nil {
		t.Error(err)
	}
}
