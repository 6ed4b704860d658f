package mongodb

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.uber.org/zap"

	"mongoferry/internal/migration"
)

// Slot is a place from which one attempt at a time writes to the destination.
// Its logical session id is fixed by its name, and every write carries the
// transaction number epoch<<32 | sequence: once a later attempt has written
// with its higher epoch, the server refuses whatever an older one still sends
// (TransactionTooOld), however late it wakes. The same number makes a write
// that is sent again after a network error happen exactly once.
//
// A Slot is for one goroutine.
type Slot struct {
	client *Client
	log    *zap.Logger
	lsid   bson.Raw
	epoch  int64
	seq    int64
	metaDB string
	// KeepsEmptyTimestamps says that the server can be told to leave an empty
	// timestamp in a document as it is; Take finds it out.
	KeepsEmptyTimestamps bool
	// took is how long Hold took.
	took time.Duration
	// failures counts transactions that failed in a row, passOver the calls for
	// which none is tried now.
	failures, passOver int
}

// NewSlot makes the slot of that name for an attempt with this epoch. Call Take or
// Hold before the first Write.
func NewSlot(client *Client, log *zap.Logger, metaDB, name string, epoch int64) *Slot {
	sum := sha256.Sum256([]byte("mongoferry slot " + name))
	id := sum[:16]
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	lsid := bsoncore.NewDocumentBuilder().AppendBinary("id", bson.TypeBinaryUUID, id).Build()
	return &Slot{client: client, log: log, lsid: bson.Raw(lsid), epoch: epoch, metaDB: metaDB}
}

// Take shuts older attempts out: after it returns, no write of theirs is under
// way in this slot and none will be accepted.
func (s *Slot) Take(ctx context.Context) error {
	cmd := bson.D{{Key: "update", Value: "slots"}, {Key: "updates", Value: bson.A{bson.D{
		{Key: "q", Value: bson.D{{Key: "_id", Value: s.lsid}}},
		{Key: "u", Value: bson.D{{Key: "$max", Value: bson.D{{Key: "epoch", Value: s.epoch}}}}},
		{Key: "upsert", Value: true},
	}}}}
	s.KeepsEmptyTimestamps = true
	reply, err := s.take(ctx, append(cmd, bson.E{Key: keepEmptyTimestamps, Value: true}))
	if Code(err) == codeUnknownField {
		s.KeepsEmptyTimestamps = false
		reply, err = s.take(ctx, cmd)
	}
	if err != nil {
		return fmt.Errorf("take over a writer slot: %w", err)
	}
	if len(reply.Errors) > 0 {
		return fmt.Errorf("take over a writer slot: %s", reply.Errors[0].Message)
	}
	return nil
}

// Hold is Take the first time that it succeeds, and nothing after that: an attempt has
// its slot until a later one takes it. It gives how long that took, about the least that
// a write takes.
func (s *Slot) Hold(ctx context.Context) (time.Duration, error) {
	if s.took > 0 {
		return s.took, nil
	}
	began := time.Now()
	if err := s.Take(ctx); err != nil {
		return 0, err
	}
	s.took = time.Since(began)
	return s.took, nil
}

func (s *Slot) take(ctx context.Context, cmd bson.D) (WriteReply, error) {
	raw, err := bson.Marshal(cmd)
	if err != nil {
		return WriteReply{}, fmt.Errorf("encode slot: %w", err)
	}
	return s.Write(ctx, s.metaDB, raw)
}

// WriteError is one statement that a write command refused. Index counts the
// statements of the command from 0; KeyPattern is set for duplicate keys.
type WriteError struct {
	Index      int
	Code       int32
	Message    string
	KeyPattern bson.Raw
}

// SameID says that the statement was refused because its _id is there already.
func (e WriteError) SameID() bool {
	if e.Code != CodeDuplicateKey {
		return false
	}
	elements, err := e.KeyPattern.Elements()
	return err == nil && len(elements) == 1 && elements[0].Key() == "_id"
}

// WriteReply is the reply to insert, update or delete.
type WriteReply struct {
	N, Modified int64
	Errors      []WriteError
}

// Write sends an insert, update or delete command, complete but for session,
// transaction number and write concern, which is always majority and journaled.
// It is repeated over network errors and elections until the context ends, and
// takes effect once, but for statements that change nothing: those are done again when
// it is repeated, as are those that were refused for the time being. So no statement may
// build on another; see WriteRow. Updates and deletes must be of single documents. The
// command is the slot's from then on.
func (s *Slot) Write(ctx context.Context, db string, command bson.Raw) (WriteReply, error) {
	return s.deliver(ctx, db, commandName(command), s.once(command), nil)
}

// WriteRow is Write for ordered updates or deletes that build on each other. The whole row
// is done again when it is repeated, which it must bear.
func (s *Slot) WriteRow(ctx context.Context, db string, command bson.Raw) (WriteReply, error) {
	return s.deliver(ctx, db, commandName(command), s.eachTime(command), nil)
}

// Insert is Write of an insert without its documents, which are handed on as they are.
func (s *Slot) Insert(ctx context.Context, db string, command bson.Raw, documents bson.RawArray) (WriteReply, error) {
	return s.deliver(ctx, db, commandName(command), s.once(command), documents)
}

// InsertFreely is Insert without a number, which costs the server a sixth of a small
// document's insert: it can take effect twice, and be of an attempt that was shut out.
func (s *Slot) InsertFreely(ctx context.Context, db string, command bson.Raw, documents bson.RawArray) (WriteReply, error) {
	name, whole := commandName(command), withConcern(command[:len(command)-1])
	return s.deliver(ctx, db, name, func() bson.Raw { return whole }, documents)
}

// once gives the same bytes for every try: the server does what it has done under that
// number no second time.
func (s *Slot) once(command bson.Raw) func() bson.Raw {
	s.seq++
	signed := s.sign(command)
	return func() bson.Raw { return signed }
}

// eachTime gives each try a number of its own. Under the same one the server would repeat
// the statements that changed nothing, behind those that built on them; one that is still
// under way is refused once a later one has come.
func (s *Slot) eachTime(command bson.Raw) func() bson.Raw {
	return func() bson.Raw {
		s.seq++
		return s.sign(command)
	}
}

// deliver sends a command until there is a reply that says what became of it; try gives
// what is sent each time.
func (s *Slot) deliver(ctx context.Context, db, name string, try func() bson.Raw, documents bson.RawArray) (WriteReply, error) {
	var reply WriteReply
	err := Retry(ctx, s.log, name+" on the destination", func() error {
		answer, err := s.client.send(ctx, db, try(), documents)
		if err != nil {
			return err
		}
		if reply, err = parseWriteReply(s.client.name, db, answer); err != nil {
			return err
		}
		return s.passing(name, db, reply)
	})
	return reply, err
}

// passing is the error of a statement that may succeed when it is sent again.
func (s *Slot) passing(name, db string, reply WriteReply) error {
	for _, e := range reply.Errors {
		if transientCodes[e.Code] {
			return &Error{Side: s.client.name, Command: name, DB: db, Code: e.Code, Message: e.Message}
		}
	}
	return nil
}

// sign adds session, transaction number and write concern to a command, behind its
// elements, which stay: it can be signed again.
func (s *Slot) sign(command bson.Raw) bson.Raw {
	return withConcern(s.appendNumber(command[:len(command)-1]))
}

// withConcern ends a command with the write concern.
func withConcern(elements bson.Raw) bson.Raw {
	return finish(bsoncore.AppendDocumentElement(elements, "writeConcern", bsoncore.Document(durable)))
}

// parseWriteReply reads what a write command was answered. Where nothing was refused,
// which is the rule, it decodes nothing.
func parseWriteReply(side, db string, raw bson.Raw) (WriteReply, error) {
	var reply WriteReply
	var ok bool
	if reply.N, ok = raw.Lookup("n").AsInt64OK(); !ok {
		return reply, errors.New("the reply to a write does not say how many it was done to")
	}
	reply.Modified, _ = raw.Lookup("nModified").AsInt64OK()
	if _, err := raw.LookupErr("writeErrors"); err != nil {
		return reply, nil
	}
	var parsed struct {
		WriteErrors []struct {
			Index      int      `bson:"index"`
			Code       int32    `bson:"code"`
			Message    string   `bson:"errmsg"`
			KeyPattern bson.Raw `bson:"keyPattern"`
			Expected   string   `bson:"expectedCollection"`
		} `bson:"writeErrors"`
	}
	if err := bson.Unmarshal(raw, &parsed); err != nil {
		return WriteReply{}, fmt.Errorf("read the reply to a write: %w", err)
	}
	for _, e := range parsed.WriteErrors {
		switch e.Code {
		case CodeTransactionTooOld:
			return reply, migration.NewFault(migration.Superseded, "a later attempt has taken over")
		case CodeCollectionUUIDMismatch:
			return reply, migration.NewFault(migration.WriteRefused, strangerAdvice(side, db, e.Expected))
		}
		reply.Errors = append(reply.Errors, WriteError{e.Index, e.Code, e.Message, e.KeyPattern})
	}
	return reply, nil
}
