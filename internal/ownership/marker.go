// Package ownership keeps the marker in the destination's metadata database: who
// migrates into this cluster, which attempt of which lane is the current one,
// and how far the cutover has gone. The marker is what makes a take-over safe
// and the cutover's point of no return a single compare-and-set.
package ownership

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

const (
	collection = "marker"
	markerID   = "owner"
)

// CutoverState is how far a cutover has gone.
type CutoverState string

// The states. Opening is the point of no return: nothing compensates after it.
const (
	CutoverNone      CutoverState = ""
	CutoverFenced    CutoverState = "fenced"
	CutoverBackedOut CutoverState = "backed out"
	CutoverOpening   CutoverState = "opening"
	CutoverOpen      CutoverState = "open"
)

// Opened says whether the state is past the point of no return.
func (s CutoverState) Opened() bool { return s == CutoverOpening || s == CutoverOpen }

// Lanes that have one attempt at a time. Partitions of the copy have no lane: their slots
// fence them, or the name that their collection gets.
const (
	LanePrepare     = "prepare"
	LaneReplication = "replication"
	LaneCutover     = "cutover"
)

// Marker is the document as it stands.
// Claim is unlike that of any other time the destination was claimed; Run tells
// migrations of the same id apart.
type Marker struct {
	Owner   string           `bson:"owner"`
	Claim   string           `bson:"claim"`
	Run     string           `bson:"run"`
	Source  string           `bson:"source"`
	Epoch   int64            `bson:"epoch"`
	Lanes   map[string]int64 `bson:"lanes"`
	Cutover Cutover          `bson:"cutover"`
}

// Cutover is the marker's part about the cutover. Request counts the cutovers
// that the operator asked for; Deadline is when the holder of the fence backs
// out by itself.
type Cutover struct {
	Request          int          `bson:"request"`
	State            CutoverState `bson:"state"`
	Deadline         time.Time    `bson:"deadline"`
	Reason           string       `bson:"reason"`
	StartedAt        time.Time    `bson:"startedAt"`
	WritesAcceptedAt time.Time    `bson:"writesAcceptedAt"`
	FencedAt         time.Time    `bson:"fencedAt"`
}

// Ledger reads and writes the marker of one destination.
type Ledger struct {
	dst    *mongodb.Client
	metaDB string
	owner  string
}

// NewLedger gives the ledger of a migration (owner is its id) in the metadata
// database of the destination.
func NewLedger(dst *mongodb.Client, metaDB, owner string) *Ledger {
	return &Ledger{dst: dst, metaDB: metaDB, owner: owner}
}

// Find reads the marker, whoever owns it. It is nil when there is none. It waits
// for a majority to hold all that the primary holds: an attempt that checks the
// marker before it looks at what a broken-off step has left sees nothing that can
// still be rolled back.
func (l *Ledger) Find(ctx context.Context) (*Marker, error) {
	settled, err := mongodb.Settled(ctx, l.dst)
	if err != nil {
		return nil, fmt.Errorf("read the ownership marker: %w", err)
	}
	return l.find(ctx, settled)
}

func (l *Ledger) find(ctx context.Context, readConcern bson.E) (*Marker, error) {
	reply, err := l.dst.Run(ctx, l.metaDB, bson.D{
		{Key: "find", Value: collection}, {Key: "filter", Value: bson.D{{Key: "_id", Value: markerID}}},
		{Key: "limit", Value: 1}, {Key: "singleBatch", Value: true}, readConcern,
	})
	if err != nil {
		return nil, fmt.Errorf("read the ownership marker: %w", err)
	}
	raw, ok := reply.Lookup("cursor", "firstBatch", "0").DocumentOK()
	if !ok {
		return nil, nil
	}
	var m Marker
	if err := bson.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("read the ownership marker: %w", err)
	}
	return &m, nil
}

// Claim makes this migration the owner of the destination; run is what tells it
// from others of the same id. Claiming again is fine; another owner, or what an
// earlier migration of this id has left, is a Fault of kind DestinationClaimed
// that names it.
func (l *Ledger) Claim(ctx context.Context, source, run string) error {
	_, err := l.findAndModify(ctx, bson.D{{Key: "owner", Value: l.owner}, {Key: "run", Value: run}},
		bson.D{{Key: "$setOnInsert", Value: bson.D{
			{Key: "source", Value: source}, {Key: "epoch", Value: int64(0)}, {Key: "claim", Value: bson.NewObjectID().Hex()},
		}}}, modify{upsert: true})
	if mongodb.Code(err) == mongodb.CodeDuplicateKey {
		return l.claimedByOther(ctx, run)
	}
	if err != nil {
		return fmt.Errorf("claim the destination: %w", err)
	}
	return nil
}

// claimedByOther names who was first, unless that is another attempt of ours.
func (l *Ledger) claimedByOther(ctx context.Context, run string) error {
	m, err := l.Find(ctx)
	if err != nil {
		return err
	}
	if m == nil {
		return fmt.Errorf("claim the destination: the marker vanished while it was read")
	}
	if m.Owner == l.owner && m.Run == run {
		return nil
	}
	if m.Owner == l.owner {
		return migration.NewFault(migration.DestinationClaimed, fmt.Sprintf(
			"the destination still bears the marker of an earlier migration %s, which was not cleaned up: run starter cleanup %s", m.Owner, m.Owner))
	}
	return ClaimedBy(m)
}

// ClaimedBy is the refusal of a second migration to the same destination.
func ClaimedBy(m *Marker) error {
	return migration.NewFault(migration.DestinationClaimed, fmt.Sprintf(
		"the destination is being migrated to by %s (from %s): wait for it, cancel it (starter cancel %s), "+
			"or, if its workflow no longer runs, remove what it left (starter cleanup %s)", m.Owner, m.Source, m.Owner, m.Owner))
}

// Attempt is an attempt that has begun: Epoch is its number, Previous that of the
// attempt that the lane had before.
type Attempt struct {
	Epoch, Previous int64
	claim           string
}

// SlotName is the name of a slot for the attempt to write from: the same for all
// attempts of this claim, and for none of another, whose epochs begin anew.
func (a Attempt) SlotName(what string) string { return a.claim + " " + what }

// Begin begins an attempt: it raises the epoch and makes it the current one of
// the lane, so that every earlier attempt in that lane fails its Check. When
// Previous is not the epoch that the caller knows of, another attempt has been at
// work in between. An empty lane only raises the epoch.
func (l *Ledger) Begin(ctx context.Context, lane string) (Attempt, error) {
	raise := bson.D{{Key: "epoch", Value: bson.D{{Key: "$add", Value: bson.A{"$epoch", int64(1)}}}}}
	if lane != "" {
		raise = append(raise, bson.E{Key: "lanes." + lane, Value: bson.D{{Key: "$add", Value: bson.A{"$epoch", int64(1)}}}})
	}
	before, err := l.findAndModify(ctx, bson.D{{Key: "owner", Value: l.owner}},
		bson.A{bson.D{{Key: "$set", Value: raise}}}, modify{returnOld: true})
	if err != nil {
		return Attempt{}, fmt.Errorf("begin an attempt: %w", err)
	}
	if before == nil {
		return Attempt{}, l.notOwner(ctx)
	}
	return Attempt{Epoch: before.Epoch + 1, Previous: before.Lanes[lane], claim: before.Claim}, nil
}

// Check says whether the attempt with this epoch is still the current one of its
// lane; otherwise a Fault of kind Superseded. It does not wait for a majority as
// Find does, unless an old marker may have been read right after an election: a step
// that is tried again calls Find first.
func (l *Ledger) Check(ctx context.Context, lane string, epoch int64) error {
	m, err := l.find(ctx, bson.E{Key: "readConcern", Value: bson.D{{Key: "level", Value: "majority"}}})
	if err == nil && (m == nil || m.Owner != l.owner || m.Lanes[lane] != epoch) {
		m, err = l.Find(ctx)
	}
	if err != nil {
		return err
	}
	if m == nil || m.Owner != l.owner {
		return l.notOwner(ctx)
	}
	if m.Lanes[lane] != epoch {
		return migration.NewFault(migration.Superseded, fmt.Sprintf(
			"attempt %d of %s has been taken over by attempt %d", epoch, lane, m.Lanes[lane]))
	}
	return nil
}

// Transition moves the cutover from one state to the next if this attempt is the
// current one and the marker is in one of the states named; otherwise it gives
// false and the marker as it is. set may be nil.
func (l *Ledger) Transition(ctx context.Context, epoch int64, from []CutoverState, to CutoverState, set bson.D) (bool, *Marker, error) {
	states := bson.A{}
	for _, s := range from {
		states = append(states, string(s))
		if s == CutoverNone {
			states = append(states, nil)
		}
	}
	changes := bson.D{{Key: "cutover.state", Value: string(to)}}
	for _, e := range set {
		changes = append(changes, bson.E{Key: "cutover." + e.Key, Value: e.Value})
	}
	m, err := l.findAndModify(ctx, bson.D{
		{Key: "owner", Value: l.owner}, {Key: "lanes." + LaneCutover, Value: epoch},
		{Key: "cutover.state", Value: bson.D{{Key: "$in", Value: states}}},
	}, bson.D{{Key: "$set", Value: changes}}, modify{})
	if err != nil {
		return false, nil, fmt.Errorf("move the cutover to %q: %w", to, err)
	}
	if m != nil {
		return true, m, nil
	}
	m, err = l.Find(ctx)
	return false, m, err
}

// Collections are those of a migration in the metadata database, the marker last:
// until it goes, a second migration stays out and releasing can be done again.
func Collections() []string { return []string{"catalog", "units", "bundles", "slots", collection} }

// Release drops the migration's collections in the metadata database, if it owns
// them. Releasing what is gone already is fine.
func (l *Ledger) Release(ctx context.Context) error {
	m, err := l.Find(ctx)
	if err != nil || m == nil {
		return err
	}
	if m.Owner != l.owner {
		return ClaimedBy(m)
	}
	for _, name := range Collections() {
		_, err := l.dst.Run(ctx, l.metaDB, bson.D{{Key: "drop", Value: name}, mongodb.Durable()})
		if err != nil && mongodb.Code(err) != mongodb.CodeNamespaceNotFound {
			return fmt.Errorf("drop %s.%s: %w", l.metaDB, name, err)
		}
	}
	return nil
}

func (l *Ledger) notOwner(ctx context.Context) error {
	m, err := l.Find(ctx)
	if err != nil {
		return err
	}
	if m == nil || m.Owner == l.owner {
		return migration.NewFault(migration.Superseded, "the destination carries no ownership marker of "+l.owner+
			": the migration has ended or was cleaned up")
	}
	return ClaimedBy(m)
}

// modify holds the options of findAndModify.
type modify struct{ upsert, returnOld bool }

func (l *Ledger) findAndModify(ctx context.Context, match bson.D, update any, how modify) (*Marker, error) {
	query := append(bson.D{{Key: "_id", Value: markerID}}, match...)
	reply, err := l.dst.Run(ctx, l.metaDB, bson.D{
		{Key: "findAndModify", Value: collection}, {Key: "query", Value: query},
		{Key: "update", Value: update}, {Key: "upsert", Value: how.upsert}, {Key: "new", Value: !how.returnOld},
		mongodb.Durable(),
	})
	if err != nil {
		return nil, err
	}
	raw, ok := reply.Lookup("value").DocumentOK()
	if !ok {
		return nil, nil
	}
	var m Marker
	if err := bson.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("read the ownership marker: %w", err)
	}
	return &m, nil
}
