package activities

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.uber.org/zap"

	"mongoferry/internal/initialsync"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/ownership"
)

// beatEvery is how often an activity offers a heartbeat; the worker sends at
// most one per MaxHeartbeatThrottleInterval. It is also how soon a cancel is
// noticed.
const beatEvery = 200 * time.Millisecond

// session is one attempt of an activity at work: both clusters, the
// destination behind the lease, the ledger, and a heartbeat in the background.
type session struct {
	spec        migration.Spec
	source      *mongodb.Client
	destination *mongodb.Client
	ledger      *ownership.Ledger
	log         *zap.Logger

	memory initialsync.Memory
	lease  *lease
	ended  func()
	mu     sync.Mutex
	// state and live are the heartbeat's details: what the next attempt needs,
	// and what the status shows.
	state     any
	live      migration.Live
	inTrouble string
	stop      func()
}

// open begins an attempt. Close it at the end.
func (a *Activities) open(ctx context.Context, spec migration.Spec) (*session, error) {
	source, err := a.client("source", spec.Source)
	if err != nil {
		return nil, err
	}
	destination, err := a.client("destination", spec.Destination)
	if err != nil {
		return nil, err
	}
	info := activity.GetInfo(ctx)
	l := a.acks.follow(string(info.TaskToken), info.HeartbeatTimeout)
	a.sessions.Add(1)
	s := &session{
		ended: a.sessions.Done, memory: a.memory,
		spec: spec, source: source, destination: destination.WithGate(l), lease: l,
		log: a.log.With(zap.String("migration_id", spec.ID), zap.String("activity", info.ActivityType.Name),
			zap.Int32("attempt", info.Attempt)),
	}
	s.ledger = ownership.NewLedger(s.destination, spec.MetadataDB, spec.ID)
	beat, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { s.beat(beat) })
	s.stop = func() { cancel(); wg.Wait() }
	return s, nil
}

// close ends the attempt; nothing may write after it.
func (s *session) close() {
	s.stop()
	s.lease.end()
	s.ended()
}

// beat sends what is known to Temporal until the attempt ends, so that long
// server commands do not look like a dead worker.
func (s *session) beat(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.mu.Lock()
		state, live := s.state, s.live
		live.Trouble = s.inTrouble
		s.mu.Unlock()
		activity.RecordHeartbeat(ctx, state, live)
	}
}

// trouble tells of a step that has been failing for a while; "" that it works
// again.
func (s *session) trouble(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inTrouble = migration.Redact(text)
}

// report sets what the next heartbeats say. state must not be changed afterwards.
func (s *session) report(state any, live migration.Live) {
	live.At = time.Now().UTC().Format(time.RFC3339)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.live = state, live
}

// resumeFrom reads the state that an earlier attempt left in its last heartbeat.
func resumeFrom[T any](ctx context.Context) (*T, error) {
	if !activity.HasHeartbeatDetails(ctx) {
		return nil, nil
	}
	var state *T
	if err := activity.GetHeartbeatDetails(ctx, &state); err != nil {
		return nil, fmt.Errorf("read the last heartbeat: %w", err)
	}
	return state, nil
}

// work opens a session, does the work and maps its error. The work's context ends
// when Temporal asks for it and when the worker is being stopped; what has come so
// far can then be its result.
func work[T any](ctx context.Context, a *Activities, spec migration.Spec, do func(context.Context, *session) (T, error)) (T, error) {
	s, err := a.open(ctx, spec)
	if err != nil {
		var none T
		return none, asApplication(err)
	}
	defer s.close()
	working, stop := untilStopped(ctx)
	defer stop()
	result, err := do(mongodb.WithTrouble(working, s.trouble), s)
	if err != nil {
		s.log.Warn("attempt failed", zap.Error(migration.RedactError(err)))
	}
	if err != nil && ctx.Err() != nil && mongodb.IsStop(err) {
		return result, ctx.Err() // canceled, if that is what was asked for
	}
	return result, asApplication(err)
}

// untilStopped is a context that also ends when the worker is being stopped.
func untilStopped(ctx context.Context) (context.Context, context.CancelFunc) {
	working, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-activity.GetWorkerStopChannel(ctx):
			cancel()
		case <-working.Done():
		}
	}()
	return working, cancel
}
