package scenario

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Client sends a command once, without adding a session of its own, and gives the
// server's reply also when that is a refusal.
type Client interface {
	Run(ctx context.Context, db string, command any) (bson.Raw, error)
}

// Runner carries out one scenario's operations in a database of its own. It keeps
// transactions open from one part to the next, and is for one goroutine.
type Runner struct {
	client Client
	db     string
	open   map[string]*transaction
}

// NewRunner makes a runner for the scenario that lives in this database.
func NewRunner(client Client, db string) *Runner {
	return &Runner{client: client, db: db, open: map[string]*transaction{}}
}

// Run carries out operations one after the other. The error names the operation.
func (r *Runner) Run(ctx context.Context, ops []Operation) error {
	return r.run(ctx, ops, place{db: r.db, number: -1}, nil)
}

// Close aborts the transactions that are still open, as after an operation that
// failed: they hold locks on the server until it ends them.
func (r *Runner) Close(ctx context.Context) error {
	var errs []error
	for name, t := range r.open {
		delete(r.open, name)
		if t.begun {
			errs = append(errs, r.end(ctx, Operation{where: "transaction " + name + ", left open"}, t, true))
		}
	}
	return errors.Join(errs...)
}

func (r *Runner) run(ctx context.Context, ops []Operation, p place, within *transaction) error {
	for _, o := range ops {
		if err := r.one(ctx, o, p, within); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runner) one(ctx context.Context, o Operation, p place, within *transaction) error {
	switch {
	case o.Begin != "":
		r.open[o.Begin] = newTransaction()
		return nil
	case o.Commit != "", o.Abort != "":
		name := o.Commit + o.Abort // one of them is empty
		t := r.open[name]
		delete(r.open, name)
		return r.end(ctx, o, t, o.Abort != "")
	case o.Transaction != nil:
		t := newTransaction()
		if err := r.run(ctx, o.Transaction, p, t); err != nil {
			return errors.Join(err, r.end(context.WithoutCancel(ctx), o, t, true))
		}
		return r.end(ctx, o, t, o.RolledBack)
	case o.Ops != nil:
		for p.number = range o.Repeat {
			if err := r.run(ctx, o.Ops, p, within); err != nil {
				return fmt.Errorf("repetition %d: %w", p.number, err)
			}
		}
		return nil
	}
	if o.Within != "" {
		within = r.open[o.Within]
	}
	return r.command(ctx, o, p, within)
}

func (r *Runner) command(ctx context.Context, o Operation, p place, within *transaction) error {
	command, err := p.document(o.Command)
	if err != nil {
		return fmt.Errorf("%s: %w", o.where, err)
	}
	if within != nil {
		command = within.sign(command)
	}
	db := r.db
	if o.DB != "" {
		db = p.text(o.DB)
	}
	reply, err := r.client.Run(ctx, db, command)
	return o.judge(reply, err)
}

// judge compares a reply with what the operation expects.
func (o Operation) judge(reply bson.Raw, err error) error {
	code, message := Refusal(reply)
	switch {
	case code == 0 && err != nil:
		return fmt.Errorf("%s: %w", o.where, err)
	case code == 0 && len(o.Expect) > 0:
		return fmt.Errorf("%s: it succeeded, but was to fail with %v: %s", o.where, o.Expect, reply)
	case code != 0 && !slices.Contains(o.Expect, code):
		return fmt.Errorf("%s: %s (code %d)", o.where, message, code)
	default:
		return nil
	}
}

// Refusal gives the code and text of a refusal: of the whole command, of its first
// statement that failed, or of the write concern; 0 when there is none.
func Refusal(reply bson.Raw) (int32, string) {
	for _, path := range [][]string{nil, {"writeErrors", "0"}, {"writeConcernError"}} {
		code, ok := reply.Lookup(append(slices.Clone(path), "code")...).AsInt64OK()
		if ok && code != 0 {
			message, _ := reply.Lookup(append(slices.Clone(path), "errmsg")...).StringValueOK()
			return int32(code), message
		}
	}
	return 0, ""
}

// transaction is a session with one transaction in it.
type transaction struct {
	session bson.D
	begun   bool
}

func newTransaction() *transaction {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // it never fails
	return &transaction{session: bson.D{{Key: "id", Value: bson.Binary{Subtype: bson.TypeBinaryUUID, Data: id}}}}
}

// sign makes a command part of the transaction, which begins with its first one.
func (t *transaction) sign(command bson.D) bson.D {
	command = append(command, bson.E{Key: "lsid", Value: t.session}, bson.E{Key: "txnNumber", Value: int64(1)},
		bson.E{Key: "autocommit", Value: false})
	if !t.begun {
		t.begun = true
		command = append(command, bson.E{Key: "startTransaction", Value: true})
	}
	return command
}

// codeNoSuchTransaction is the answer to aborting what an error has aborted.
const codeNoSuchTransaction = 251

func (r *Runner) end(ctx context.Context, o Operation, t *transaction, abort bool) error {
	if !t.begun {
		return fmt.Errorf("%s: there is nothing in the transaction", o.where)
	}
	name := "commitTransaction"
	if abort {
		name = "abortTransaction"
	}
	reply, err := r.client.Run(ctx, "admin", t.sign(bson.D{{Key: name, Value: 1}}))
	if code, _ := Refusal(reply); abort && code == codeNoSuchTransaction {
		return nil
	}
	if err := (Operation{where: o.where}).judge(reply, err); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
