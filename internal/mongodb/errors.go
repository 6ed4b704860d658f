package mongodb

import (
	"context"
	"errors"
	"fmt"
	"net"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"mongoferry/internal/migration"
)

// codeAtlasError is what Atlas answers to a wrong password.
const codeAtlasError = 8000

// Server error codes that a caller branches on.
const (
	CodeBadValue                 = 2
	CodeUnauthorized             = 13
	CodeAuthenticationFailed     = 18
	CodeNamespaceNotFound        = 26
	CodeIndexNotFound            = 27
	CodePathNotViable            = 28
	CodeNonExistentPath          = 29
	CodeCursorNotFound           = 43
	CodeNamespaceExists          = 48
	CodeMaxTimeMSExpired         = 50
	CodeDollarPrefixedField      = 52
	CodeInvalidOptions           = 72
	CodeIndexOptionsConflict     = 85
	CodeIndexKeySpecsConflict    = 86
	CodeCappedPositionLost       = 136
	CodeQueryPlanKilled          = 175
	CodePrimarySteppedDown       = 189
	CodeTransactionForgotten     = 217
	CodeTransactionTooOld        = 225
	CodeChangeStreamFatal        = 280
	CodeChangeStreamHistoryLost  = 286
	CodeCannotConvertIndexUnique = 359
	CodeCollectionUUIDMismatch   = 361
	CodeUserWritesBlocked        = 371
	CodeBSONObjectTooLarge       = 10334
	CodeDuplicateKey             = 11000
)

// Error is what a server answered instead of doing what it was told.
type Error struct {
	// Side is "source" or "destination".
	Side    string
	Command string
	DB      string
	Code    int32
	Name    string
	Message string
	Labels  []string
	// Reply is the whole reply; it may hold details such as "violations".
	Reply bson.Raw
}

// Error names side, command, database and the server's own words.
func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s on %s: %s (code %d %s)", e.Side, e.Command, e.DB, migration.Redact(e.Message), e.Code, e.Name)
}

// asError turns what the driver returned into an Error, a Fault or, for mere
// write errors, nil.
func (c *Client) asError(command, db string, reply bson.Raw, err error) error {
	if err == nil {
		return nil
	}
	if write, ok := errors.AsType[driver.WriteCommandError](err); ok {
		if write.WriteConcernError == nil {
			return nil // write errors are in the reply
		}
		wc := write.WriteConcernError
		return &Error{Side: c.name, Command: command, DB: db, Code: int32(wc.Code), Name: wc.Name,
			Message: "write concern: " + wc.Message, Labels: write.Labels, Reply: reply}
	}
	if de, ok := errors.AsType[driver.Error](err); ok && de.Code != 0 {
		server := &Error{Side: c.name, Command: command, DB: db, Code: de.Code, Name: de.Name,
			Message: de.Message, Labels: de.Labels, Reply: bson.Raw(de.Raw)}
		return faultOf(c, server)
	}
	if isAuthentication(err) {
		return &migration.Fault{Kind: migration.AccessDenied,
			Message: authenticationAdvice(c), Err: migration.RedactError(err)}
	}
	if selection, ok := errors.AsType[topology.ServerSelectionError](err); ok {
		return fmt.Errorf("%s %s: %w", c.name, c.address.Hosts(), unreachable{selection})
	}
	return fmt.Errorf("%s: %s on %s: %w", c.name, command, db, migration.RedactError(err))
}

// historyLostAdvice says what a lost history means and what to do.
const historyLostAdvice = "ChangeStreamHistoryLost: the source's oplog no longer holds the changes since the last one applied; " +
	"enlarge the oplog (replSetResizeOplog) and start a new migration"

// faultOf gives errors that nobody can mend by repeating the kind that says so.
func faultOf(c *Client, e *Error) error {
	switch e.Code {
	case CodeAuthenticationFailed:
		return &migration.Fault{Kind: migration.AccessDenied,
			Message: authenticationAdvice(c), Err: e}
	case CodeUnauthorized:
		return &migration.Fault{Kind: migration.AccessDenied,
			Message: fmt.Sprintf("%s: the user lacks a right: see docs/security.md for the roles", c.name), Err: e}
	case CodeChangeStreamHistoryLost:
		return &migration.Fault{Kind: migration.HistoryLost,
			Message: historyLostAdvice, Err: e}
	case CodeCollectionUUIDMismatch:
		expected, _ := e.Reply.Lookup("expectedCollection").StringValueOK()
		return &migration.Fault{Kind: migration.WriteRefused, Message: strangerAdvice(c.name, e.DB, expected), Err: e}
	case CodeTransactionTooOld:
		return &migration.Fault{Kind: migration.Superseded,
			Message: "a later attempt has taken over", Err: e}
	case CodeTransactionForgotten:
		return &migration.Fault{Kind: migration.Superseded,
			Message: "the server no longer knows whether it did this: another attempt goes on", Err: e}
	default:
		return e
	}
}

// strangerAdvice is for a command that names the collection it is meant for, when
// another one, or none, has its name.
func strangerAdvice(side, db, name string) string {
	return fmt.Sprintf("%s: %s.%s is not the collection that this migration has made: something else changes the %s", side, db, name, side)
}

func authenticationAdvice(c *Client) string {
	return fmt.Sprintf("%s %s: authentication failed: check user, password and authSource", c.name, c.address.Hosts())
}

// unreachable says in the operator's words why no primary was found.
type unreachable struct{ err topology.ServerSelectionError }

func (u unreachable) Unwrap() error { return u.err }

func (u unreachable) Error() string {
	why := fmt.Sprintf("none of the hosts is a member of the replica set %q", u.err.Desc.SetName)
	for i, s := range u.err.Desc.Servers {
		state := fmt.Sprintf("%s is %s", s.Addr, s.Kind)
		if s.LastError != nil {
			state = fmt.Sprintf("%s: %v", s.Addr, s.LastError)
		}
		if i == 0 {
			why = state
		} else {
			why += "; " + state
		}
	}
	return migration.Redact("no primary can be reached: " + why)
}

func isAuthentication(err error) bool {
	var de driver.Error
	if errors.As(err, &de) && (de.Code == CodeAuthenticationFailed || de.Code == codeAtlasError) {
		return true
	}
	var selection topology.ServerSelectionError
	if !errors.As(err, &selection) {
		return false
	}
	for _, s := range selection.Desc.Servers {
		if s.LastError != nil && isAuthentication(s.LastError) {
			return true
		}
	}
	return false
}

// Code gives the server's error code within err, or 0.
func Code(err error) int32 {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// codeTooLargeForCache: the write did not fit into what others have left of the
// server's cache.
const codeTooLargeForCache = 388

// transientCodes are errors that pass by themselves: elections, shutdowns,
// interruptions, exhausted tickets, write concern failures, a full disk, and lost
// cursors: the step that reads opens another.
var transientCodes = map[int32]bool{
	CodeCursorNotFound: true, CodeCappedPositionLost: true, CodeQueryPlanKilled: true, codeTooLargeForCache: true,
	6: true, 7: true, 24: true, 46: true, 63: true, 64: true, 79: true, 89: true, 91: true, 112: true, 133: true, 134: true,
	50: true, 117: true, 189: true, 202: true, 211: true, 234: true, 237: true, 246: true, 262: true, 276: true, 290: true, 314: true, 358: true, 365: true, 9001: true,
	10107: true, 11600: true, 11601: true, 11602: true, 12587: true, 13435: true, 13436: true, 14031: true, 50915: true,
}

// IsTransient says whether the same command may succeed when sent again: the
// network failed, a primary is being elected, the server was busy.
func IsTransient(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || migration.KindOf(err) != "" {
		return false
	}
	var e *Error
	if errors.As(err, &e) {
		return transientCodes[e.Code] || hasLabel(e.Labels, "RetryableWriteError")
	}
	var selection topology.ServerSelectionError
	var connection topology.ConnectionError
	var netErr net.Error
	if errors.As(err, &selection) || errors.As(err, &connection) || errors.As(err, &netErr) {
		return true
	}
	var de driver.Error
	return errors.As(err, &de) && (hasLabel(de.Labels, driver.NetworkError) || hasLabel(de.Labels, driver.TransientTransactionError))
}

func hasLabel(labels []string, label string) bool {
	for _, l := range labels {
		if l == label {
			return true
		}
	}
	return false
}

// Refusal is the error of a step that a server refused, in a way that repeating
// does not mend, as a Fault of a kind that says so and a text that says what; any
// other error stays what it is.
func Refusal(kind migration.FaultKind, what string, err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || migration.KindOf(err) != "" || IsTransient(err) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return &migration.Fault{Kind: kind, Message: fmt.Sprintf("%s: the %s refused it", what, e.Side), Err: err}
}

// IsStop says whether err is only that the context has ended, however deep in
// the driver that was noticed.
func IsStop(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
