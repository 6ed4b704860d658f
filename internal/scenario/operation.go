package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Operation is one element of a scenario's file: a command, or one of the forms
// around commands. Exactly one of Command, Begin, Commit, Abort, Transaction and
// Ops is set.
type Operation struct {
	where string

	// Command is what is sent, with its placeholders; DB is where to, "" for the
	// scenario's own database. Within is the open transaction that it is part of,
	// Expect are the codes with one of which it must fail.
	Command bson.D
	DB      string
	Within  string
	Expect  []int32

	// Begin, Commit and Abort name a transaction.
	Begin, Commit, Abort string

	// Transaction is carried out in one transaction, which RolledBack says to abort.
	Transaction []Operation
	RolledBack  bool

	// Ops are carried out as often as Repeat says.
	Repeat int
	Ops    []Operation
}

// String says where the operation stands.
func (o Operation) String() string { return o.where }

// wrappers are the forms around commands, with the keys that each may have.
var wrappers = map[string][]string{
	"transaction": {"transaction", "abort"}, "begin": {"begin"}, "commit": {"commit"}, "abort": {"abort"}, "repeat": {"repeat", "ops"},
}

func parse(where string, doc bson.D) (Operation, error) {
	o, err := parseForm(where, doc)
	if err != nil {
		return o, err
	}
	for i, inner := range append(o.Transaction, o.Ops...) {
		switch {
		case inner.Begin != "" || inner.Commit != "" || inner.Abort != "":
			return o, fmt.Errorf("%s: begin, commit and abort stand in the file itself, not in a transaction or a repeat", inner.where)
		case inner.Within != "" && o.Transaction != nil, inner.Transaction != nil && o.Transaction != nil:
			return o, fmt.Errorf("%s: a transaction within a transaction", inner.where)
		case inner.Ops != nil && o.Ops != nil:
			return o, fmt.Errorf("%s: a repeat within a repeat: which number would %%I%% be?", inner.where)
		case len(inner.Expect) > 0 && o.Transaction != nil && (!o.RolledBack || i < len(o.Transaction)-1):
			return o, fmt.Errorf("%s: $expect in a transaction: only the last operation of one that aborts can fail", inner.where)
		}
	}
	return o, nil
}

func parseForm(where string, doc bson.D) (Operation, error) {
	o := Operation{where: where}
	if len(doc) == 0 {
		return o, fmt.Errorf("%s: it is empty", where)
	}
	keys, isWrapper := wrappers[doc[0].Key]
	if !isWrapper {
		return o, o.parseCommand(doc)
	}
	for _, e := range doc {
		if !slices.Contains(keys, e.Key) {
			return o, fmt.Errorf("%s: %q cannot stand beside %q: known are %s", where, e.Key, doc[0].Key, strings.Join(keys, ", "))
		}
		if err := o.parseKey(doc[0].Key, e); err != nil {
			return o, fmt.Errorf("%s: %w", where, err)
		}
	}
	if (o.Repeat > 0) != (o.Ops != nil) {
		return o, fmt.Errorf("%s: repeat and ops belong together", where)
	}
	return o, nil
}

// parseKey reads one key of a wrapper.
func (o *Operation) parseKey(form string, e bson.E) error {
	var ok bool
	var err error
	switch e.Key {
	case "begin":
		o.Begin, ok = e.Value.(string)
		ok = ok && o.Begin != ""
	case "commit":
		o.Commit, ok = e.Value.(string)
		ok = ok && o.Commit != ""
	case "abort":
		if form == "transaction" {
			o.RolledBack, ok = e.Value.(bool)
			break
		}
		o.Abort, ok = e.Value.(string)
		ok = ok && o.Abort != ""
	case "repeat":
		var n int32
		n, ok = e.Value.(int32)
		o.Repeat, ok = int(n), ok && n > 0
	case "transaction":
		o.Transaction, err = o.parseAll(e.Value)
		ok = err == nil
	case "ops":
		o.Ops, err = o.parseAll(e.Value)
		ok = err == nil
	}
	if !ok && err == nil {
		err = fmt.Errorf("%q cannot be %v", e.Key, e.Value)
	}
	return err
}

// parseAll reads the operations inside of a wrapper.
func (o *Operation) parseAll(value any) ([]Operation, error) {
	list, ok := value.(bson.A)
	if !ok || len(list) == 0 {
		return nil, errors.New("want an array of operations, not an empty one")
	}
	var out []Operation
	for i, v := range list {
		doc, ok := v.(bson.D)
		if !ok {
			return nil, fmt.Errorf("number %d inside is not an operation", i)
		}
		op, err := parse(fmt.Sprintf("%s, number %d inside", o.where, i), doc)
		if err != nil {
			return nil, err
		}
		out = append(out, op)
	}
	return out, nil
}

// parseCommand takes out of a command what is meant for the runner.
func (o *Operation) parseCommand(doc bson.D) error {
	for _, e := range doc {
		ok := true
		switch {
		case e.Key == "$db":
			o.DB, ok = e.Value.(string)
		case e.Key == "$txn":
			o.Within, ok = e.Value.(string)
		case e.Key == "$expect":
			o.Expect, ok = codes(e.Value)
		case strings.HasPrefix(e.Key, "$"):
			return fmt.Errorf("%s: %q: a command knows $db, $txn and $expect alone", o.where, e.Key)
		default:
			o.Command = append(o.Command, e)
		}
		if !ok {
			return fmt.Errorf("%s: %q cannot be %v", o.where, e.Key, e.Value)
		}
	}
	if len(o.Command) == 0 {
		return fmt.Errorf("%s: there is no command", o.where)
	}
	return nil
}

func codes(value any) ([]int32, bool) {
	list, isList := value.(bson.A)
	if !isList {
		list = bson.A{value}
	}
	var out []int32
	for _, v := range list {
		code, ok := v.(int32)
		if !ok {
			return nil, false
		}
		out = append(out, code)
	}
	return out, len(out) > 0
}

// checkTransactions wants every transaction to be begun before it is used, and
// ended before the scenario is.
func (s *Scenario) checkTransactions() error {
	open := map[string]string{}
	var check func(ops []Operation) error
	check = func(ops []Operation) error {
		for _, o := range ops {
			for _, name := range []string{o.Within, o.Commit, o.Abort} {
				if _, isOpen := open[name]; name != "" && !isOpen {
					return fmt.Errorf("%s: no transaction %q is open here", o.where, name)
				}
			}
			if _, isOpen := open[o.Begin]; isOpen {
				return fmt.Errorf("%s: transaction %q is open already", o.where, o.Begin)
			}
			delete(open, o.Commit)
			delete(open, o.Abort)
			if o.Begin != "" {
				open[o.Begin] = o.where
			}
			if err := check(append(o.Transaction, o.Ops...)); err != nil {
				return err
			}
		}
		return nil
	}
	for _, part := range [][]Operation{s.Before, s.During, s.After} {
		if err := check(part); err != nil {
			return err
		}
	}
	for name, where := range open {
		return fmt.Errorf("%s: transaction %q is neither committed nor aborted", where, name)
	}
	return nil
}
