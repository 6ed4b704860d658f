package replication

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/catalog"
	"mongoferry/internal/migration"
)

// key names a document as the source's _id index does.
type key struct {
	uuid catalog.UUID
	id   string
}

// change is what a batch does to one document: a base that settles its state, if
// any, and updates on top of that.
type change struct {
	key   key
	id    bson.RawValue
	base  base
	full  bson.Raw // of baseDocument
	delta delta
	// steps is how many statements the delta takes, once it is settled.
	steps int
	at    migration.OpTime
	// fresh says that there was no document before this batch.
	fresh bool
	// anew: the document is first taken away, so that it comes to the end of a
	// capped collection, or in the place of one whose _id only the collation holds
	// to be the same. brings says that the event is one for which that is right.
	anew, brings bool
}

type base int

const (
	baseNone     base = iota // the document as it stands on the destination
	baseDocument             // this document
	baseDeleted              // no document
	baseRefetch              // the document as it now is on the source
)

// plan collects the document changes of a batch, coalesced by document, until a
// catalog change or the end of the batch.
type plan struct {
	// free holds the changes whose order among documents does not matter.
	free  map[key]*change
	order []*change
	// lanes holds, by collection, the events that must be applied one after the
	// other; see inLane.
	lanes  map[catalog.UUID][]*change
	events int64
	// last is the time of the newest event.
	last migration.OpTime
	// spare is room for changes to come.
	spare []change
}

// spareChanges is for how many changes room is made at once.
const spareChanges = 256

func (p *plan) newChange(k key, id bson.RawValue) *change {
	if len(p.spare) == 0 {
		p.spare = make([]change, spareChanges)
	}
	ch := &p.spare[0]
	p.spare = p.spare[1:]
	ch.key, ch.id = k, id
	return ch
}

// newPlan makes a plan for about so many changes.
func newPlan(n int) *plan {
	return &plan{free: make(map[key]*change, n), order: make([]*change, 0, n), lanes: map[catalog.UUID][]*change{}}
}

func (p *plan) empty() bool { return len(p.order) == 0 && len(p.lanes) == 0 }

// inLane says whether events about such an _id keep their order: all those of capped
// collections, and those of collections with a collation that an unequal value may be
// about too.
func inLane(c catalog.Collection, id bson.RawValue) bool { return c.Capped() || hasAlike(c, id) }

// hasAlike says whether other values of _id may name the same document: a collation is
// about strings, also within documents.
func hasAlike(c catalog.Collection, id bson.RawValue) bool {
	switch id.Type {
	case bson.TypeObjectID, bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128, bson.TypeBinary,
		bson.TypeDateTime, bson.TypeTimestamp, bson.TypeBoolean, bson.TypeNull, bson.TypeMinKey, bson.TypeMaxKey:
		return false
	default:
		return c.Collation() != nil
	}
}

// add takes an event in. stale says whether the destination's document may be
// newer than the event.
func (p *plan) add(c catalog.Collection, k key, e *event, stale bool) {
	p.events++
	p.last = migration.Later(p.last, e.at)
	if inLane(c, e.id) {
		ch := p.newChange(k, e.id)
		ch.apply(e, stale)
		ch.brings = e.kind == kindInsert || (e.kind == kindReplace && c.Collation() != nil && !c.Capped())
		ch.anew = ch.brings && stale
		p.lanes[k.uuid] = append(p.lanes[k.uuid], ch)
		return
	}
	ch, ok := p.free[k]
	if !ok {
		ch = p.newChange(k, e.id)
		ch.fresh = e.kind == kindInsert && !stale
		p.free[k] = ch
		p.order = append(p.order, ch)
	}
	ch.apply(e, stale)
}

// takeBack takes changes in that were read from the source.
func (p *plan) takeBack(c catalog.Collection, changes []*change) {
	for _, ch := range changes {
		if inLane(c, ch.id) {
			p.lanes[c.UUID] = append(p.lanes[c.UUID], ch)
		} else {
			p.order = append(p.order, ch)
		}
	}
}

// apply adds an event on top of those before it.
func (c *change) apply(e *event, stale bool) {
	c.at = e.at
	if e.unread {
		c.id = e.id
		c.refetch()
		return
	}
	switch e.kind {
	case kindInsert, kindReplace:
		c.base, c.full, c.delta, c.id = baseDocument, e.full, delta{}, e.id
	case kindDelete:
		c.base, c.full, c.delta = baseDeleted, nil, delta{}
	case kindUpdate:
		switch {
		case c.base == baseRefetch:
		case c.base == baseDeleted, !e.update.plain, stale && c.base == baseNone, !c.delta.add(e.update):
			c.refetch()
		}
	}
}

// settle makes one document of a document and the updates on top of it. Updates that
// together are too large for one command, or take too many statements, are left to the
// document itself.
func (c *change) settle() {
	switch {
	case c.delta.empty():
	case c.base == baseDocument:
		full, ok := c.delta.patch(c.full)
		if !ok {
			c.refetch()
			return
		}
		c.full, c.delta = full, delta{}
	default:
		c.steps = c.delta.steps(maxSteps)
		if c.steps > maxSteps || c.size() > maxDelta {
			c.refetch()
		}
	}
}

// maxDelta leaves room in a statement for what there is beside fields and _id. maxSteps
// is up to how many statements are better than the document: each repeats the _id, and
// takes stepBytes beside it.
const (
	maxDelta  = 15 << 20
	maxSteps  = 64
	stepBytes = 128
)

// size is about how many bytes the change takes to write.
func (c *change) size() int {
	return len(c.full) + c.delta.size() + max(c.steps, 1)*(len(c.id.Value)+stepBytes)
}

func (c *change) refetch() { c.base, c.full, c.delta = baseRefetch, nil, delta{} }
