package bench

import (
	"context"
	"fmt"
	"math/rand/v2"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

const (
	// authors is how many connections write a history, each on documents of its own.
	authors = 4
	// passage is how many operations an author sends at a time: inserts, then updates
	// and replaces, then deletes, so that kinds change in a stream as often as they do
	// under an application that writes in bulk.
	passage = 100
	// hotShare is the part of the documents that are hot, in per cent.
	hotShare = 1
)

// mix is what a history consists of, in per cent; hot of the updates are on the
// hottest documents.
type mix struct{ update, insert, replace, remove, hot int }

type kind int

const (
	update kind = iota
	inserting
	replace
	remove
)

// operation is one change of the n-th document.
type operation struct {
	kind kind
	n    int64
}

// author decides what comes next. Each has every so manyth document, so that several
// write side by side and nothing depends on how they fall together.
type author struct {
	mix
	r    *rand.Rand
	live []int64
	hot  []int64
	next int64
	step int64
}

func newAuthor(m mix, documents int64, of, authors int64) *author {
	a := &author{mix: m, r: rand.New(rand.NewPCG(uint64(of), 2)), step: authors} //nolint:gosec // no secret
	for n := of; n < documents; n += authors {
		if m.hot > 0 && n*100 < documents*hotShare {
			a.hot = append(a.hot, n)
		} else {
			a.live = append(a.live, n)
		}
		a.next = n + authors
	}
	return a
}

func (a *author) operation() operation {
	dice := a.r.IntN(100)
	switch {
	case dice < a.update && len(a.hot) > 0 && a.r.IntN(100) < a.mix.hot:
		return operation{update, a.hot[a.r.IntN(len(a.hot))]}
	case dice < a.update:
		return operation{update, a.live[a.r.IntN(len(a.live))]}
	case dice < a.update+a.replace:
		return operation{replace, a.live[a.r.IntN(len(a.live))]}
	case dice < a.update+a.replace+a.remove && len(a.live) > 1:
		at := a.r.IntN(len(a.live))
		n := a.live[at]
		a.live[at] = a.live[len(a.live)-1]
		a.live = a.live[:len(a.live)-1]
		return operation{remove, n}
	default:
		n := a.next
		a.next += a.step
		a.live = append(a.live, n)
		return operation{inserting, n}
	}
}

// write sends operations to the source. Within a passage a document is inserted before
// anything else happens to it, and deleted after.
func (a *author) write(ctx context.Context, c *mongodb.Client, m *maker, count int) error {
	inserts, updates, deletes := bsoncore.NewArrayBuilder(), bsoncore.NewArrayBuilder(), bsoncore.NewArrayBuilder()
	var n [remove + 1]int64
	for range count {
		op := a.operation()
		n[op.kind]++
		id := bson.RawValue{Type: bson.TypeObjectID, Value: idBytes(op.n)}
		switch op.kind {
		case inserting:
			inserts.AppendDocument(m.document(nil, op.n))
		case update:
			updates.AppendDocument(updateStatement(id, a.modifiers(), false))
		case replace:
			updates.AppendDocument(updateStatement(id, m.document(nil, op.n), false))
		case remove:
			deletes.AppendDocument(deleteStatement(id))
		}
	}
	for _, command := range []struct {
		name, field string
		statements  *bsoncore.ArrayBuilder
		want        int64
	}{
		{"insert", "documents", inserts, n[inserting]},
		{"update", "updates", updates, n[update] + n[replace]},
		{"delete", "deletes", deletes, n[remove]},
	} {
		if command.want == 0 {
			continue
		}
		b := bsoncore.NewDocumentBuilder().AppendString(command.name, collection.Collection).
			AppendArray(command.field, command.statements.Build())
		met, err := send(ctx, c, database, b, bsoncore.NewDocumentBuilder().AppendInt32("w", 1).Build())
		if err != nil {
			return err
		}
		if met != command.want {
			return fmt.Errorf("an %s of the history met %d documents instead of %d", command.name, met, command.want)
		}
	}
	return nil
}

func idBytes(n int64) []byte {
	id := objectID(n)
	return id[:]
}

// modifiers are those of an update that changes something, in fields that are there.
func (a *author) modifiers() bsoncore.Document {
	b := bsoncore.NewDocumentBuilder()
	if a.r.IntN(10) < 3 {
		return b.AppendDocument("$inc", bsoncore.NewDocumentBuilder().AppendInt32("count", 1).Build()).Build()
	}
	set := bsoncore.NewDocumentBuilder().AppendString("status", statuses[a.r.IntN(len(statuses))]).
		AppendDouble("amount", float64(a.r.IntN(1_000_000_000))/100).Build()
	return b.AppendDocument("$set", set).Build()
}

// writeHistory writes so many operations, all authors side by side.
func writeHistory(ctx context.Context, c *mongodb.Client, s dataset, m mix, operations int64) error {
	group, groupCtx := errgroup.WithContext(ctx)
	for i := range int64(authors) {
		group.Go(func() error {
			a, maker := newAuthor(m, s.documents, i, authors), newMaker(uint64(i)+100, s.size) //nolint:gosec // small
			for left := operations / authors; left > 0; left -= passage {
				if err := a.write(groupCtx, c, maker, int(min(left, passage))); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("write a history: %w", err)
	}
	return nil
}

func byID(id bson.RawValue) bsoncore.Document {
	return bsoncore.NewDocumentBuilder().AppendValue("_id", bsoncore.Value{Type: bsoncore.Type(id.Type), Data: id.Value}).Build()
}

func updateStatement(id bson.RawValue, u bsoncore.Document, upsert bool) bsoncore.Document {
	b := bsoncore.NewDocumentBuilder().AppendDocument("q", byID(id)).AppendDocument("u", u)
	if upsert {
		b.AppendBoolean("upsert", true)
	}
	return b.Build()
}

func deleteStatement(id bson.RawValue) bsoncore.Document {
	return bsoncore.NewDocumentBuilder().AppendDocument("q", byID(id)).AppendInt32("limit", 1).Build()
}

// note marks the end of a history: a time that the stream passes behind it.
func note(ctx context.Context, c *mongodb.Client) (migration.OpTime, error) {
	return mongodb.AppendNote(ctx, c, "the end of a history")
}
