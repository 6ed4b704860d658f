package random

import (
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/scenario"
)

// Writer carries out operations in its own databases, one after the other, and
// keeps a log of what had, or may have had, an effect.
type Writer struct {
	client scenario.Client
	db     string
	// Log holds the operations so far; one that was refused says so by $expect, and
	// is there because a part of it may have been done.
	Log []bson.D
	// Taken and Refused count by kind.
	Taken, Refused map[string]int
	transactions   int64
	session        bson.Binary
	// reply is the last one.
	reply bson.Raw
}

// NewWriter makes a writer. db is the name of its first database.
func NewWriter(client scenario.Client, db string) *Writer {
	return &Writer{client: client, db: db, Taken: map[string]int{}, Refused: map[string]int{}, session: newSession()}
}

// Databases are the writer's.
func (w *Writer) Databases() []string { return scenario.Databases(w.db) }

// transient are the codes of refusals that say nothing of the operation: locks,
// conflicts, the end of a transaction or of an index build.
var transient = []int32{24, 46, 50, 112, 246, 251, 276}

// WritesBlocked is the code of a refusal by a cluster that takes no writes. What is
// refused so leaves no trace in the log, but for the statements that were done
// before.
const WritesBlocked = 371

// Do carries an operation out. The code is that of a refusal, the error any other
// trouble.
func (w *Writer) Do(ctx context.Context, op Operation) (code int32, err error) {
	// What is sent is what a file would say.
	doc, err := copied(op.Doc)
	if err != nil {
		return 0, err
	}
	if code, err = w.Play(ctx, doc); err == nil && code == 0 && op.taken != nil {
		op.taken()
	}
	return code, err
}

// Play carries out an operation of a log.
func (w *Writer) Play(ctx context.Context, doc bson.D) (code int32, err error) {
	kind := Kind(doc)
	doc = slices.DeleteFunc(slices.Clone(doc), func(e bson.E) bool { return e.Key == "$expect" })
	if kind == "transaction" {
		code, err = w.transaction(ctx, doc)
	} else {
		code, err = w.command(ctx, doc)
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s: %w", kind, err)
	case code == 0:
		w.Taken[kind]++
		w.Log = append(w.Log, doc)
		return 0, nil
	}
	w.Refused[kind]++
	if code == WritesBlocked {
		w.logPart(doc)
		return code, nil
	}
	if kind != "transaction" && !slices.Contains(transient, code) {
		w.Log = append(w.Log, append(doc, bson.E{Key: "$expect", Value: code}))
	}
	return code, nil
}

// logPart logs what of a command came before the writes were blocked.
func (w *Writer) logPart(doc bson.D) {
	at, other := blockedAt(w.reply)
	for i, e := range doc {
		statements, ok := e.Value.(bson.A)
		if !ok || at == 0 || Kind(doc) == "transaction" || e.Key != "documents" && e.Key != "updates" && e.Key != "deletes" {
			continue
		}
		part := slices.Clone(doc)
		part[i].Value = statements[:at]
		if other != 0 {
			part = append(part, bson.E{Key: "$expect", Value: other})
		}
		w.Log = append(w.Log, part)
		return
	}
}

// blockedAt gives the number of the first statement that met the block, and the
// code of an earlier one's refusal for another reason.
func blockedAt(reply bson.Raw) (at int, other int32) {
	refused, _ := reply.Lookup("writeErrors").ArrayOK()
	values, _ := refused.Values() // a reply has been checked
	for _, v := range values {
		code, _ := v.Document().Lookup("code").AsInt64OK()
		if code == WritesBlocked {
			index, _ := v.Document().Lookup("index").AsInt64OK()
			return int(index), other
		}
		if other == 0 {
			other = int32(code)
		}
	}
	return 0, 0
}

// Refused says whether an operation of a log was refused.
func Refused(doc bson.D) bool { return doc[len(doc)-1].Key == "$expect" }

func copied(doc bson.D) (bson.D, error) {
	text, err := bson.MarshalExtJSON(doc, true, false)
	if err != nil {
		return nil, fmt.Errorf("write an operation: %w", err)
	}
	var out bson.D
	if err := bson.UnmarshalExtJSON(text, true, &out); err != nil {
		return nil, fmt.Errorf("read an operation again: %w", err)
	}
	return out, nil
}

// command sends one; extra is what makes it part of a transaction.
func (w *Writer) command(ctx context.Context, doc bson.D, extra ...bson.E) (int32, error) {
	command, err := scenario.Fill(w.db, doc)
	if err != nil {
		return 0, err
	}
	db := w.db
	if i := slices.IndexFunc(command, func(e bson.E) bool { return e.Key == "$db" }); i >= 0 {
		db = command[i].Value.(string)
		command = slices.Delete(command, i, i+1)
	}
	reply, err := w.client.Run(ctx, db, append(command, extra...))
	w.reply = reply
	if code := refusal(reply); code != 0 {
		return code, nil
	}
	return 0, err
}

func (w *Writer) transaction(ctx context.Context, doc bson.D) (int32, error) {
	w.transactions++
	sign := []bson.E{{Key: "lsid", Value: d("id", w.session)}, {Key: "txnNumber", Value: w.transactions}, {Key: "autocommit", Value: false}}
	end := "commitTransaction"
	if len(doc) > 1 {
		end = "abortTransaction"
	}
	for i, op := range doc[0].Value.(bson.A) {
		extra := sign
		if i == 0 {
			extra = append(slices.Clone(sign), bson.E{Key: "startTransaction", Value: true})
		}
		code, err := w.command(ctx, op.(bson.D), extra...)
		if err != nil {
			return 0, err
		}
		if code != 0 {
			// The error has ended the transaction, most of the time.
			_, err = w.command(ctx, d("abortTransaction", 1, "$db", "admin"), sign...)
			return code, err
		}
	}
	return w.command(ctx, d(end, 1, "$db", "admin"), sign...)
}

// refusal gives the code of a refusal, or WritesBlocked when that stopped any
// statement; 0 when there is none.
func refusal(reply bson.Raw) int32 {
	if at, _ := blockedAt(reply); at > 0 {
		return WritesBlocked
	}
	code, _ := scenario.Refusal(reply)
	return code
}
