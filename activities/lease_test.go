package activities

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"

	"mongoferry/internal/migration"
)

const timeout = 10 * time.Second

// beat is a heartbeat on its way through the interceptor.
func beat(t *testing.T, book *Acknowledgements, token string, takes time.Duration, err error) {
	t.Helper()
	request := &workflowservice.RecordActivityTaskHeartbeatRequest{TaskToken: []byte(token)}
	got := book.Interceptor(t.Context(), "", request, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		time.Sleep(takes)
		return err
	})
	if !errors.Is(got, err) {
		t.Errorf("the interceptor gave %v", got)
	}
}

// TestLease: the gate shuts half a heartbeat timeout after the last heartbeat
// that was acknowledged, counted from when it was sent.
func TestLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		book := NewAcknowledgements()
		l := book.follow("a", timeout)
		open := func(want bool) {
			t.Helper()
			err := l.Check()
			if (err == nil) != want || err != nil && migration.KindOf(err) != migration.LeaseLost {
				t.Errorf("after %s: %v", time.Since(began), err)
			}
		}
		open(true)
		time.Sleep(timeout / 2)
		open(true)
		time.Sleep(time.Millisecond)
		open(false)
		beat(t, book, "a", 0, nil)
		open(true)
		time.Sleep(3 * time.Second)
		beat(t, book, "a", 0, errors.New("unavailable"))
		time.Sleep(2*time.Second + time.Millisecond)
		open(false) // a heartbeat that was not acknowledged does not count
		beat(t, book, "a", 4*time.Second, nil)
		open(true)
		time.Sleep(time.Second + time.Millisecond)
		open(false) // it was sent five seconds ago
		beat(t, book, "other", 0, nil)
		open(false)
	})
}

var began = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // as in a bubble of synctest

// TestLeaseEnded: a heartbeat that comes after its activity leaves nothing behind.
func TestLeaseEnded(t *testing.T) {
	t.Parallel()
	book := NewAcknowledgements()
	l := book.follow("a", timeout)
	l.end()
	beat(t, book, "a", 0, nil)
	if len(book.sent) > 0 {
		t.Errorf("the book still holds %v", book.sent)
	}
	if l.Check() == nil {
		t.Error("an ended lease lets writes pass")
	}
}
