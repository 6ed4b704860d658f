package mongodb

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.uber.org/zap"
)

// Command is a write for a database, as Slot.Write takes it.
type Command struct {
	DB   string
	Body bson.Raw
	// Statements is how many the command holds. Ordered says that they build on each
	// other; see WriteRow.
	Statements int
	Ordered    bool
}

// WriteCommand is Write, or WriteRow where statements build on each other.
func (s *Slot) WriteCommand(ctx context.Context, c Command) (WriteReply, error) {
	if c.Ordered {
		return s.WriteRow(ctx, c.DB, c.Body)
	}
	return s.Write(ctx, c.DB, c.Body)
}

// worthTransacting is how many statements make up for the command that commits.
const worthTransacting = 8

// maxPassOver bounds for how many calls a transaction is not tried again after
// some that failed in a row.
const maxPassOver = 64

// abortPatience is how long giving a transaction up may take: nobody waits for it,
// but what it locks would stay locked for a minute.
const abortPatience = 2 * time.Second

// WriteAll sends commands that may take effect in any order and more than once,
// and gives the reply to each. It tries to do so in one transaction: of each
// statement of its own the server writes an entry into its oplog and another number
// into the record of the session, which costs it more than the change. Whatever
// stands against the transaction, it has left nothing behind, or all, and the
// commands are sent one by one. With an error come the replies to the commands before the
// one that failed.
func (s *Slot) WriteAll(ctx context.Context, commands []Command) ([]WriteReply, error) {
	statements := 0
	for _, c := range commands {
		statements += c.Statements
	}
	switch {
	case statements < worthTransacting:
	case s.passOver > 0:
		s.passOver--
	default:
		replies, err := s.transact(ctx, commands)
		if err == nil {
			s.failures = 0
			return replies, nil
		}
		s.giveUp(ctx)
		s.failures++
		s.passOver = min(1<<min(s.failures-1, 16)-1, maxPassOver)
		s.log.Debug("a transaction did not work, its commands are sent one by one", zap.Error(err))
	}
	var replies []WriteReply
	for _, c := range commands {
		reply, err := s.WriteCommand(ctx, c)
		if err != nil {
			return replies, err
		}
		replies = append(replies, reply)
	}
	return replies, nil
}

func (s *Slot) transact(ctx context.Context, commands []Command) ([]WriteReply, error) {
	s.seq++
	replies := make([]WriteReply, len(commands))
	for i, c := range commands {
		raw, err := s.client.RunRaw(ctx, c.DB, s.within(c.Body, i == 0))
		if err != nil {
			return nil, err
		}
		if replies[i], err = parseWriteReply(s.client.name, c.DB, raw); err != nil {
			return nil, err
		}
		if errs := replies[i].Errors; len(errs) > 0 {
			return nil, fmt.Errorf("statement %d: %s (code %d)", errs[0].Index, errs[0].Message, errs[0].Code)
		}
	}
	_, err := s.client.RunRaw(ctx, "admin", s.ending("commitTransaction", true))
	return replies, err
}

// giveUp ends a transaction that will not be committed, unless the next write does
// so at once.
func (s *Slot) giveUp(ctx context.Context) {
	if ctx.Err() == nil {
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), abortPatience)
	defer stop()
	if _, err := s.client.RunRaw(ctx, "admin", s.ending("abortTransaction", false)); err != nil {
		s.log.Debug("a transaction could not be ended: the server will", zap.Error(err))
	}
}

// within adds to a command what makes it part of the slot's transaction.
func (s *Slot) within(command bson.Raw, first bool) bson.Raw {
	raw := make(bson.Raw, 0, len(command)+128)
	raw = s.appendNumber(append(raw, command[:len(command)-1]...))
	if first {
		raw = bsoncore.AppendBooleanElement(raw, "startTransaction", true)
	}
	return finish(bsoncore.AppendBooleanElement(raw, "autocommit", false))
}

// ending is the command that commits or gives up the slot's transaction.
func (s *Slot) ending(command string, waits bool) bson.Raw {
	raw := bson.Raw(bsoncore.AppendInt32Element(make([]byte, 4, 192), command, 1))
	raw = bsoncore.AppendBooleanElement(s.appendNumber(raw), "autocommit", false)
	if waits {
		raw = bsoncore.AppendDocumentElement(raw, "writeConcern", bsoncore.Document(durable))
	}
	return finish(raw)
}

// appendNumber adds the session and the transaction number.
func (s *Slot) appendNumber(raw bson.Raw) bson.Raw {
	raw = bsoncore.AppendDocumentElement(raw, "lsid", bsoncore.Document(s.lsid))
	return bsoncore.AppendInt64Element(raw, "txnNumber", s.epoch<<32|s.seq)
}

// finish ends a document whose elements are there.
func finish(raw bson.Raw) bson.Raw {
	raw = append(raw, 0)
	return bson.Raw(bsoncore.UpdateLength(raw, 0, int32(len(raw))))
}
