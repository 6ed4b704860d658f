package bench

import (
	"context"
	"time"

	"mongoferry/internal/devstack"
)

// quickPart is a little of the copy and of the replay, under names of its own.
func (s *suite) quickPart(ctx context.Context) error {
	return withRig(ctx, devstack.ReplicaSetOptions{}, func(r *rig) error {
		s.shared = r
		defer func() { s.shared = nil }()
		return s.quick(ctx)
	})
}

func (s *suite) quick(ctx context.Context) error {
	set := s.copySets()[0]
	set.dataset, set.limit = oneKB(s.scaled(200_000)), 40*time.Second
	if err := s.copySet(ctx, "quick.copy.", set); err != nil {
		return err
	}
	if err := s.firstDocument(ctx, "quick.start."); err != nil {
		return err
	}
	story := s.stories()[0]
	story.documents, story.operations = s.scaled(50_000), s.scaled(100_000)
	return s.replay(ctx, "quick.replay.", story, 40*time.Second)
}
