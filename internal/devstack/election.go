package devstack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Members are all members, in the order of their numbers.
func (r *ReplicaSet) Members() []*Member { return r.members }

// Member is the i-th member, from 0.
func (r *ReplicaSet) Member(i int) *Member { return r.members[i] }

// Primary waits for a primary and gives it; of two that take themselves for one,
// the later elected.
func (r *ReplicaSet) Primary(ctx context.Context) (*Member, error) {
	return r.elected(ctx, nil)
}

// Secondaries are the members that are not the primary.
func (r *ReplicaSet) Secondaries(ctx context.Context) ([]*Member, error) {
	primary, err := r.Primary(ctx)
	if err != nil {
		return nil, err
	}
	var others []*Member
	for _, m := range r.members {
		if m != primary {
			others = append(others, m)
		}
	}
	return others, nil
}

// NextPrimary waits until another member than the former is primary.
func (r *ReplicaSet) NextPrimary(ctx context.Context, former *Member) (*Member, error) {
	return r.elected(ctx, former)
}

func (r *ReplicaSet) elected(ctx context.Context, former *Member) (*Member, error) {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		var primary *Member
		var latest bson.ObjectID
		for _, m := range r.members {
			hello, err := m.hello(ctx)
			if err != nil || m == former {
				continue // killed or paused
			}
			writable, _ := hello.Lookup("isWritablePrimary").BooleanOK()
			id, _ := hello.Lookup("electionId").ObjectIDOK()
			if writable && (primary == nil || bytes.Compare(id[:], latest[:]) > 0) {
				primary, latest = m, id
			}
		}
		if primary != nil {
			return primary, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a primary of %s: %w", r.opts.Name, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// StepDown makes the primary step down and gives its successor.
func (r *ReplicaSet) StepDown(ctx context.Context) (*Member, error) {
	former, err := r.Primary(ctx)
	if err != nil {
		return nil, err
	}
	_, err = former.Run(ctx, bson.D{
		{Key: "replSetStepDown", Value: 30}, {Key: "secondaryCatchUpPeriodSecs", Value: 10}, {Key: "force", Value: true},
	})
	if err != nil {
		return nil, errors.Join(errors.New("step down"), err)
	}
	return r.NextPrimary(ctx, former)
}
