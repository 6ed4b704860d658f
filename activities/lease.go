package activities

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"

	"mongoferry/internal/migration"
)

// Acknowledgements remembers, for each activity under way, when the last
// heartbeat that Temporal acknowledged was sent. It is fed by a gRPC
// interceptor, since the SDK does not tell.
type Acknowledgements struct {
	mu   sync.Mutex
	sent map[string]time.Time
}

// NewAcknowledgements makes an empty book.
func NewAcknowledgements() *Acknowledgements {
	return &Acknowledgements{sent: map[string]time.Time{}}
}

// Interceptor is for the connection options of the worker's client.
func (a *Acknowledgements) Interceptor(ctx context.Context, method string, req, reply any,
	conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	beat, ok := req.(*workflowservice.RecordActivityTaskHeartbeatRequest)
	if !ok {
		return invoke(ctx, method, req, reply, conn, opts...)
	}
	sent := time.Now()
	err := invoke(ctx, method, req, reply, conn, opts...)
	if err == nil {
		a.note(string(beat.GetTaskToken()), sent)
	}
	return err
}

// note moves an activity's time on; unknown activities are not followed.
func (a *Acknowledgements) note(token string, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if last, ok := a.sent[token]; ok && at.After(last) {
		a.sent[token] = at
	}
}

// follow begins to follow an activity. The lease that it gives must be ended.
func (a *Acknowledgements) follow(token string, heartbeatTimeout time.Duration) *lease {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent[token] = time.Now()
	return &lease{book: a, token: token, validity: heartbeatTimeout / 2}
}

// lease is the right of an activity to write to the destination. It implements
// migration.Gate: shut once the last acknowledged heartbeat is older than half
// the heartbeat timeout, so that it is shut well before Temporal starts another
// attempt.
type lease struct {
	book     *Acknowledgements
	token    string
	validity time.Duration
}

// Check is nil while the activity may write.
func (l *lease) Check() error {
	l.book.mu.Lock()
	defer l.book.mu.Unlock()
	sent := l.book.sent[l.token]
	// The clock that only goes forward stands still while a machine sleeps.
	age := max(time.Since(sent), time.Now().Round(0).Sub(sent.Round(0)))
	if age <= l.validity {
		return nil
	}
	return migration.NewFault(migration.LeaseLost, fmt.Sprintf(
		"the last heartbeat that Temporal acknowledged is %s old: stopped writing, another attempt goes on", age.Round(time.Millisecond)))
}

func (l *lease) end() {
	l.book.mu.Lock()
	defer l.book.mu.Unlock()
	delete(l.book.sent, l.token)
}
