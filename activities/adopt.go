package activities

import (
	"context"

	"mongoferry/internal/catalog"
	"mongoferry/internal/initialsync"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/ownership"
	"mongoferry/internal/partition"
)

// adopter implements catalog.Copier over the initial sync: it copies a whole
// collection in the middle of the stream, within the attempt that applies it.
type adopter struct {
	*session
	slot *mongodb.Slot
	pace migration.Pace
}

var _ catalog.Copier = adopter{}

func (s *session) newAdopter(attempt ownership.Attempt, pace migration.Pace) adopter {
	return adopter{s, mongodb.NewSlot(s.destination, s.log, s.spec.MetadataDB, attempt.SlotName("adopt"), attempt.Epoch), pace}
}

// Copy copies the collection from its beginning.
func (a adopter) Copy(ctx context.Context, m *catalog.Map, c catalog.Collection, after migration.OpTime) (migration.OpTime, error) {
	_, err := initialsync.Copy(ctx, a.task(a.pace, initialsync.Task{
		Map: m, Part: partition.Whole(c), After: after, Slots: []*mongodb.Slot{a.slot}, Progress: func(initialsync.Progress) {},
	}))
	if err != nil {
		return migration.OpTime{}, err
	}
	return mongodb.ReadableOpTime(ctx, a.source)
}
