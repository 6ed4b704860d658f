package mongodb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"mongoferry/internal/migration"
)

func TestServerErrorClasses(t *testing.T) {
	t.Parallel()
	const (
		transient = "transient"
		refused   = "refused"
	)
	classes := []struct {
		class string
		kind  migration.FaultKind
		codes []int32
	}{
		{class: transient, codes: []int32{
			6, 7, 89, 9001, 202, 262, // the network
			91, 189, 10107, 11600, 11602, 13435, 13436, // shutdowns and elections
			24, 46, 112, 133, 134, 211, 234, 237, 246, 290, 314, 50915, CodeMaxTimeMSExpired, codeTooLargeForCache, 117, 276, 365, 11601, 12587, 14031, // busy, interrupted, full
			64, 79, // write concern
			CodeCursorNotFound, CodeQueryPlanKilled, CodeCappedPositionLost, // the step opens another
		}},
		{class: refused, codes: []int32{
			CodeBadValue, CodeNamespaceNotFound, CodeIndexNotFound, CodePathNotViable, CodeNonExistentPath, CodeNamespaceExists,
			CodeDollarPrefixedField, CodeInvalidOptions, CodeIndexOptionsConflict, CodeIndexKeySpecsConflict,
			CodeCannotConvertIndexUnique, CodeUserWritesBlocked, CodeBSONObjectTooLarge, CodeDuplicateKey,
			CodeChangeStreamFatal, 8, 9, 59, 100,
		}},
		{class: refused, kind: migration.AccessDenied, codes: []int32{CodeUnauthorized, CodeAuthenticationFailed}},
		{class: refused, kind: migration.HistoryLost, codes: []int32{CodeChangeStreamHistoryLost}},
		{class: refused, kind: migration.Superseded, codes: []int32{CodeTransactionTooOld, CodeTransactionForgotten}},
		{class: refused, kind: migration.WriteRefused, codes: []int32{CodeCollectionUUIDMismatch}},
	}
	c := &Client{name: "source", address: "mongodb://u:secret@h:1/"}
	for _, class := range classes {
		for _, code := range class.codes {
			t.Run(fmt.Sprint(code), func(t *testing.T) {
				err := c.asError("find", "db", nil, driver.Error{Code: code, Name: "Name", Message: "words"})
				if got := IsTransient(fmt.Errorf("wrapped: %w", err)); got != (class.class == transient) {
					t.Errorf("transient: got %t", got)
				}
				if got := migration.KindOf(err); got != class.kind {
					t.Errorf("got kind %q, want %q", got, class.kind)
				}
				if IsStop(err) || Code(err) != code {
					t.Errorf("stop %t, code %d", IsStop(err), Code(err))
				}
				if text := err.Error(); !strings.Contains(text, "source") || strings.Contains(text, "secret") {
					t.Errorf("the text must name the side and no password: %s", text)
				}
			})
		}
	}
}

func TestOtherErrorClasses(t *testing.T) {
	t.Parallel()
	refusedConnection := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	cases := []struct {
		name            string
		err             error
		transient, stop bool
	}{
		{"none", nil, false, false},
		{"selection", topology.ServerSelectionError{Wrapped: errors.New("server selection timeout")}, true, false},
		{"connection", topology.ConnectionError{Wrapped: refusedConnection}, true, false},
		{"network", driver.Error{Labels: []string{driver.NetworkError}, Wrapped: refusedConnection}, true, false},
		{"retryable label", driver.Error{Code: 9999, Labels: []string{"RetryableWriteError"}}, true, false},
		{"canceled", context.Canceled, false, true},
		{"canceled in the driver", topology.ConnectionError{Wrapped: context.Canceled}, false, true},
		// The driver's own limit for finding a primary ends in a deadline too:
		// only the caller knows whether its context has ended.
		{"deadline while selecting", topology.ServerSelectionError{Wrapped: context.DeadlineExceeded}, true, true},
		{"unknown", errors.New("unknown"), false, false},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := (&Client{name: "source"}).asError("find", "db", nil, tc.err)
			if got := IsTransient(err); got != tc.transient {
				t.Errorf("transient: got %t for %v", got, err)
			}
			if got := IsStop(err); got != tc.stop {
				t.Errorf("stop: got %t for %v", got, err)
			}
		})
	}
}

func TestWriteConcernErrors(t *testing.T) {
	t.Parallel()
	c := &Client{name: "destination"}
	failed := driver.WriteCommandError{WriteConcernError: &driver.WriteConcernError{Code: 64, Name: "WriteConcernFailed", Message: "waiting"}}
	if err := c.asError("insert", "db", nil, failed); Code(err) != 64 || !IsTransient(err) || !strings.Contains(err.Error(), "write concern: waiting") {
		t.Errorf("got %v, want a transient error of code 64", err)
	}
	refused := driver.WriteCommandError{WriteErrors: driver.WriteErrors{{Code: CodeDuplicateKey}}}
	if err := c.asError("insert", "db", nil, refused); err != nil {
		t.Errorf("write errors are in the reply, but got %v", err)
	}
}

func TestLostHistoryGivesAdvice(t *testing.T) {
	t.Parallel()
	err := (&Client{name: "source"}).asError("getMore", "admin", nil, driver.Error{Code: CodeChangeStreamHistoryLost, Message: "resume point gone"})
	for _, part := range []string{"enlarge the oplog", "replSetResizeOplog", "start a new migration", "resume point gone"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
}

func TestServerWordsAreKept(t *testing.T) {
	t.Parallel()
	_, err := server(t).Run(t.Context(), t.Name(), bson.D{{Key: "noSuchCommand", Value: 1}})
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an Error", err)
	}
	if e.Side != "destination" || e.Command != "noSuchCommand" || e.DB != t.Name() || e.Code != 59 || e.Name != "CommandNotFound" {
		t.Errorf("got %+v", e)
	}
	if e.Reply.Lookup("ok").AsInt64() != 0 || e.Reply.Lookup("code").AsInt64() != 59 {
		t.Errorf("the whole reply is not there: %s", e.Reply)
	}
}

// A command that the context ends while the server works on it.
func TestStoppedCommand(t *testing.T) {
	t.Parallel()
	c := server(t)
	insert(t, c, bson.D{{Key: "_id", Value: 1}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := c.Run(ctx, t.Name(), bson.D{
			{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "$where", Value: "sleep(60000) || true"}}}, {Key: "comment", Value: t.Name()},
		})
		ended <- err
	}()
	var ops []bson.Raw
	for len(ops) == 0 {
		ops = commented(t, c, t.Name())
	}
	cancel()
	if err := <-ended; !IsStop(err) || IsTransient(err) {
		t.Errorf("got %v, want the end of the context", err)
	}
	run(t, c, "admin", bson.D{{Key: "killOp", Value: 1}, {Key: "op", Value: ops[0].Lookup("opid")}})
}

// commented are the commands under way that carry a comment.
func commented(t *testing.T, c *Client, comment string) []bson.Raw {
	t.Helper()
	ops, err := All(t.Context(), c, "admin", bson.D{
		{Key: "aggregate", Value: 1}, {Key: "cursor", Value: bson.D{}},
		{Key: "pipeline", Value: bson.A{
			bson.D{{Key: "$currentOp", Value: bson.D{}}},
			bson.D{{Key: "$match", Value: bson.D{{Key: "command.comment", Value: comment}}}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return ops
}
