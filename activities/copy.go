package activities

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/catalog"
	"mongoferry/internal/initialsync"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/ownership"
	"mongoferry/internal/partition"
)

// CopyUnit copies one unit of the plan. Cancelled, it gives as its result how
// far it has come.
func (a *Activities) CopyUnit(ctx context.Context, in CopyInput) (CopyResult, error) {
	return work(ctx, a, in.Spec, func(ctx context.Context, s *session) (CopyResult, error) {
		at := CopyResume{}
		if in.Resume != nil {
			at = *in.Resume
		}
		before := at.Copied
		if last, err := resumeFrom[CopyResume](ctx); err != nil {
			return CopyResult{}, err
		} else if last != nil {
			at = *last
		}
		c := copying{session: s, in: in, at: at, before: before, cols: catalog.NewMap(s.destination, in.Spec.MetadataDB)}
		c.move(at)
		err := c.run(ctx)
		if err != nil && ctx.Err() != nil && mongodb.IsStop(err) {
			return CopyResult{Resume: &c.at, Copied: c.at.Copied, Namespaces: c.at.Completed}, nil
		}
		return CopyResult{Copied: c.at.Copied, Namespaces: c.at.Completed}, err
	})
}

// copying is a unit on its way. at is never changed in place: heartbeats hold it.
type copying struct {
	*session
	in     CopyInput
	at     CopyResume
	before migration.Copied
	cols   *catalog.Map
}

func (c *copying) run(ctx context.Context) error {
	attempt, err := c.ledger.Begin(ctx, "")
	if err != nil {
		return err
	}
	slots := c.slots(attempt)
	var unit partition.Unit
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		_, err := initialsync.Hold(groupCtx, slots)
		return err
	})
	group.Go(func() (err error) {
		if unit, err = partition.Load(groupCtx, c.destination, c.in.Spec.MetadataDB, c.in.Unit); err != nil {
			return err
		}
		return c.cols.LoadSome(groupCtx, unit.Collections())
	})
	if err := group.Wait(); err != nil {
		return err
	}
	for c.at.Part < len(unit.Parts) {
		if err := c.part(ctx, slots, unit.Parts[c.at.Part]); err != nil {
			return err
		}
	}
	return nil
}

// slots are so many that a destination far away is kept busy.
func (c *copying) slots(attempt ownership.Attempt) []*mongodb.Slot {
	var slots []*mongodb.Slot
	for n := range 2 {
		name := attempt.SlotName(fmt.Sprintf("copy %d, writer %d", c.in.Unit, n))
		slots = append(slots, mongodb.NewSlot(c.destination, c.log, c.in.Spec.MetadataDB, name, attempt.Epoch))
	}
	return slots
}

// part copies one part and moves on to the next.
func (c *copying) part(ctx context.Context, slots []*mongodb.Slot, part partition.Part) error {
	resume, err := decodeID(c.at.LastID)
	if err != nil {
		return err
	}
	base := c.at
	if part.Natural {
		// It is copied again from its beginning.
		base.Copied, base.InPart = base.Copied.Minus(base.InPart), migration.Copied{}
	}
	_, err = initialsync.Copy(ctx, c.task(c.in.Pace, initialsync.Task{
		Map: c.cols, Part: part, After: c.in.After, Slots: slots, Resume: resume,
		Progress: func(p initialsync.Progress) {
			done := migration.Copied{Documents: p.Documents, Bytes: p.Bytes}
			c.move(CopyResume{
				Part: base.Part, LastID: encodeID(p.LastID), Completed: base.Completed,
				Copied: base.Copied.Plus(done), InPart: base.InPart.Plus(done),
			})
		},
	}))
	if err != nil {
		return err
	}
	next := CopyResume{Part: c.at.Part + 1, Completed: c.at.Completed, Copied: c.at.Copied}
	if part.Last() {
		next.Completed++
	}
	c.move(next)
	return nil
}

func (c *copying) move(to CopyResume) {
	c.at = to
	news := to.Copied.Minus(c.before)
	c.report(&to, migration.Live{Copied: &news})
}

// encodeID gives a BSON value as bytes: its type, then its value.
func encodeID(v bson.RawValue) []byte {
	if v.IsZero() {
		return nil
	}
	return append([]byte{byte(v.Type)}, v.Value...)
}

func decodeID(data []byte) (bson.RawValue, error) {
	if len(data) == 0 {
		return bson.RawValue{}, nil
	}
	v := bson.RawValue{Type: bson.Type(data[0]), Value: data[1:]}
	if err := v.Validate(); err != nil {
		return v, fmt.Errorf("read the last _id of an earlier attempt: %w", err)
	}
	return v, nil
}
