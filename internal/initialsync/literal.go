package initialsync

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"mongoferry/internal/mongodb"
)

// insertLiterally is insert on a server that cannot be told to leave empty timestamps as
// they are: documents with one go there another way, in their places.
func (w writer) insertLiterally(ctx context.Context, documents bson.RawArray) error {
	rest, err := documents.Values()
	if err != nil {
		return fmt.Errorf("read a batch: %w", err)
	}
	if !slices.ContainsFunc(rest, hasEmptyTimestamp) {
		return w.insertAll(ctx, documents)
	}
	if !w.ordered { // the others together
		if others := slices.DeleteFunc(slices.Clone(rest), hasEmptyTimestamp); len(others) > 0 {
			if err := w.insertAll(ctx, arrayOf(others)); err != nil {
				return err
			}
		}
		rest = slices.DeleteFunc(rest, func(d bson.RawValue) bool { return !hasEmptyTimestamp(d) })
	}
	for len(rest) > 0 {
		n, empty := row(rest)
		if err := w.insertRow(ctx, rest[:n], empty); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

func (w writer) insertRow(ctx context.Context, documents []bson.RawValue, literally bool) error {
	if !literally {
		return w.insertAll(ctx, arrayOf(documents))
	}
	command, err := w.literals(documents)
	if err != nil {
		return err
	}
	return w.done(w.slot.Write(ctx, w.to.NS.DB, command))
}

// literalBytes bounds the documents of one command whose statements carry them; one alone
// may be larger.
const literalBytes = 8 << 20

// row is how many of the first documents have an empty timestamp, as many as one command
// takes, or have none.
func row(documents []bson.RawValue) (n int, empty bool) {
	empty = hasEmptyTimestamp(documents[0])
	size := 0
	for n = range documents {
		if size += len(documents[n].Value); n > 0 && (hasEmptyTimestamp(documents[n]) != empty || empty && size > literalBytes) {
			return n, empty
		}
	}
	return len(documents), empty
}

func hasEmptyTimestamp(document bson.RawValue) bool { return mongodb.HasEmptyTimestamp(document.Value) }

// literals is an update that does what an insert would: its queries find nothing, and
// an _id that is there already is refused as in an insert.
func (w writer) literals(documents []bson.RawValue) (bson.Raw, error) {
	updates := make(bson.A, len(documents))
	for i, d := range documents {
		updates[i] = bson.D{
			{Key: "q", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "$eq", Value: d.Document().Lookup("_id")}}}, {Key: "$alwaysFalse", Value: 1}}},
			{Key: "u", Value: bson.A{bson.D{{Key: "$replaceWith", Value: bson.D{{Key: "$literal", Value: d}}}}}},
			{Key: "upsert", Value: true},
		}
	}
	encoded, err := bson.Marshal(bson.D{{Key: "updates", Value: updates}})
	if err != nil {
		return nil, fmt.Errorf("encode documents: %w", err)
	}
	b := w.begin("update").AppendArray("updates", bsoncore.Array(bson.Raw(encoded).Lookup("updates").Array()))
	return bson.Raw(b.Build()), nil
}

// arrayOf puts documents into an array of their own, numbered from 0 as the server wants.
func arrayOf(documents []bson.RawValue) bson.RawArray {
	size := 5
	for _, d := range documents {
		size += len(d.Value) + len("\x03123456\x00")
	}
	at, out := bsoncore.AppendArrayStart(make([]byte, 0, size))
	for i, d := range documents {
		out = bsoncore.AppendValueElement(out, strconv.Itoa(i), bsoncore.Value{Type: bsoncore.Type(d.Type), Data: d.Value})
	}
	out, _ = bsoncore.AppendArrayEnd(out, at) // it fails only where nothing began
	return out
}
