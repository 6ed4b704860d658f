package mongodb

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"mongoferry/internal/migration"
)

// durable is the write concern of every write to the destination.
var durable = bson.Raw(bsoncore.NewDocumentBuilder().AppendString("w", "majority").AppendBoolean("j", true).Build())

// Durable is the write concern of every write to the destination, for commands
// that do not go through a Slot.
func Durable() bson.E { return bson.E{Key: "writeConcern", Value: durable} }

// Write sends an insert, update or delete command, complete but for the write
// concern, once. Other than with Run, a statement that the server refuses is an
// error.
func (c *Client) Write(ctx context.Context, db string, command bson.D) error {
	reply, err := c.Run(ctx, db, append(command, Durable()))
	if err != nil {
		return err
	}
	return c.refused(command[0].Key, db, reply)
}

// refused is the error of the first statement that a reply says was not done.
func (c *Client) refused(command, db string, reply bson.Raw) error {
	write, err := parseWriteReply(c.name, db, reply)
	if err != nil || len(write.Errors) == 0 {
		return err
	}
	first := write.Errors[0]
	return &Error{Side: c.name, Command: command, DB: db, Code: first.Code, Message: migration.Redact(first.Message), Reply: reply}
}
