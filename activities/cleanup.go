package activities

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/zap"

	"mongoferry/internal/catalog"
	"mongoferry/internal/cutover"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/ownership"
)

// codeUserNotFound is the answer to dropping a user that is gone.
const codeUserNotFound = 11

// CleanUp removes temporary users, metadata and the marker.
func (a *Activities) CleanUp(ctx context.Context, spec migration.Spec) error {
	_, err := work(ctx, a, spec, func(ctx context.Context, s *session) (struct{}, error) {
		if err := s.ledger.Release(ctx); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, s.dropTemporaryUsers(ctx)
	})
	return err
}

// dropTemporaryUsers drops them on the destination. The user at work here may be
// one of them, so they go last.
func (s *session) dropTemporaryUsers(ctx context.Context) error {
	for _, user := range s.spec.TemporaryUsers {
		_, err := s.destination.Run(ctx, "admin", bson.D{{Key: "dropUser", Value: user}, mongodb.Durable()})
		if err != nil && mongodb.Code(err) != codeUserNotFound {
			return fmt.Errorf("drop the temporary user %s: %w", user, err)
		}
	}
	return nil
}

// Compensate undoes what a migration did beside copying data: its write block
// and its marker with the metadata. It shuts out attempts that may still be at
// work, and touches nothing of another migration. Past the point of no return
// there is no undoing: the destination gets what was put off until it was open,
// and the source stays as it is.
func (a *Activities) Compensate(ctx context.Context, in CompensateInput) (Compensation, error) {
	spec := in.Spec
	return work(ctx, a, spec, func(ctx context.Context, s *session) (Compensation, error) {
		var done Compensation
		m, err := s.ledger.Find(ctx)
		if err != nil || m == nil || m.Owner != spec.ID {
			return done, err
		}
		if m.Run != in.Run {
			return done, migration.NewFault(migration.DestinationClaimed, fmt.Sprintf(
				"the destination bears the marker of another migration that is called %s too (from %s): clean up where that one was started", m.Owner, m.Source))
		}
		var attempt ownership.Attempt
		for _, lane := range []string{ownership.LanePrepare, ownership.LaneReplication, ownership.LaneCutover} {
			if attempt, err = s.ledger.Begin(ctx, lane); err != nil {
				return done, err
			}
		}
		// Only now is nobody left who could open the destination.
		if m, err = s.ledger.Find(ctx); err != nil {
			return done, err
		}
		switch {
		case m != nil && m.Cutover.State.Opened():
			done.Opened, done.WritesAcceptedAt = true, m.Cutover.WritesAcceptedAt
			if done.Unsuccessful, done.Omitted, err = s.restore(ctx); err != nil {
				return done, err
			}
		case m != nil && m.Cutover.State != ownership.CutoverNone && spec.SourceWrites == migration.BlockWrites:
			if err := s.ledger.Check(ctx, ownership.LaneCutover, attempt.Epoch); err != nil {
				return done, err
			}
			if err := cutover.Unblock(ctx, s.source); err != nil {
				return done, err
			}
		}
		if !done.Opened {
			if err := s.leave(ctx); err != nil {
				return done, err
			}
		}
		return done, s.ledger.Release(ctx)
	})
}

// leave drops what was being copied and has no name of its own yet, and lets the
// destination take equal keys again, which a worker that died may have kept it from. The
// rest of the data stays there.
func (s *session) leave(ctx context.Context) error {
	cols := catalog.NewMap(s.destination, s.spec.MetadataDB)
	if err := cols.Load(ctx); err != nil {
		return err
	}
	if err := cols.DropStaged(ctx); err != nil {
		return fmt.Errorf("drop what was only being copied: %w", err)
	}
	if err := catalog.Relax(ctx, s.destination, cols); err != nil {
		s.log.Warn("the destination may still refuse equal keys (prepareUnique)", zap.Error(migration.RedactError(err)))
	}
	return nil
}
