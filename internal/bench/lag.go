package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
)

const (
	// steadyFor is how long the source is written to at each rate.
	steadyFor   = 20 * time.Second
	steadyLimit = 5 * time.Minute
	// burst is how many operations an author sends at a time while it keeps to a rate.
	burst = 25
)

// shares are the rates of steady writes, in per cent of the replay's speed.
var shares = []int{25, 50, 75}

// steadyLag measures, with a worker and a workflow, how far the destination is behind
// under steady writes, and how fast they catch up with a history after a pause.
func (s *suite) steadyLag(ctx context.Context) error {
	set, operations := replayed(s.scaled(200_000)), s.scaled(400_000)
	duration := max(time.Duration(s.scale*float64(steadyFor)), 2*time.Second)
	return s.with(ctx, "replay.lag.", devstack.ReplicaSetOptions{}, func(r *rig, f *figures) error {
		speed := s.replaySpeed()
		if speed == 0 {
			return errors.New("steady lag: measure replay.mixed in the same run, by whose speed the rates are")
		}
		return s.repeat(f, "50.p99", steadyLimit, func(int) error {
			l, err := r.keepInSync(ctx, set)
			if err != nil {
				return err
			}
			for _, share := range shares {
				if err := l.underWrites(ctx, f, share, speed*float64(share)/100, duration); err != nil {
					return l.crew.failed(err)
				}
			}
			if err := l.afterPause(ctx, f, operations); err != nil {
				return l.crew.failed(err)
			}
			memory, err := peakMemory(l.crew.workers[0])
			if err != nil {
				return l.crew.failed(err)
			}
			f.add("worker_memory", memory, "MB", atMost(256), "the most memory that the worker had in use")
			return r.abandon(ctx, l.voyage, l.crew)
		})
	})
}

// replaySpeed is that of the mixed history in this run.
func (s *suite) replaySpeed() float64 {
	for _, r := range s.results {
		if r.Name == "replay.mixed.rate" {
			return r.Value
		}
	}
	return 0
}

// steady is a migration that keeps both sides in sync, and who writes to its source.
type steady struct {
	*rig
	crew    *crew
	voyage  *voyage
	probes  *probes
	authors []*author
	makers  []*maker
}

// keepInSync fills the source anew and migrates it until it has caught up.
func (r *rig) keepInSync(ctx context.Context, set dataset) (*steady, error) {
	if err := reset(ctx, r.source, database); err != nil {
		return nil, err
	}
	if err := r.reset(ctx); err != nil {
		return nil, err
	}
	if err := fill(ctx, r.source, collection, set); err != nil {
		return nil, err
	}
	l := &steady{rig: r, probes: &probes{rig: r, written: map[int64]time.Time{}}}
	for i := range int64(authors) {
		l.authors = append(l.authors, newAuthor(mixed, set.documents, i, authors))
		l.makers = append(l.makers, newMaker(uint64(i)+100, set.size)) //nolint:gosec // small
	}
	if err := create(ctx, r.source, probeCollection); err != nil {
		return nil, err
	}
	var err error
	if l.crew, err = r.hire(ctx, 1); err != nil {
		return nil, err
	}
	if l.voyage, err = r.begin(ctx, l.crew, r.src.URI(), r.dst.URI()); err == nil {
		err = l.voyage.follow(finished(actApply, 1))
	}
	if err != nil {
		return nil, l.crew.failed(err)
	}
	return l, nil
}

// underWrites writes at a rate and measures the lag meanwhile, from a quarter of the
// time on.
func (l *steady) underWrites(ctx context.Context, f *figures, share int, rate float64, duration time.Duration) error {
	if err := l.probes.through(ctx); err != nil { // everything before is there
		return err
	}
	writing, stop := context.WithTimeout(ctx, duration)
	defer stop()
	group, groupCtx := errgroup.WithContext(ctx)
	written := make([]int64, authors)
	started := time.Now()
	for i := range l.authors {
		group.Go(func() (err error) {
			written[i], err = l.paced(groupCtx, writing, i, rate/authors)
			return err
		})
	}
	var lags series
	group.Go(func() (err error) {
		lags, err = l.probes.watch(groupCtx, writing, started.Add(duration/4))
		return err
	})
	if err := group.Wait(); err != nil {
		return err
	}
	var total int64
	for _, n := range written {
		total += n
	}
	name, of := fmt.Sprintf("%d.", share), fmt.Sprintf("writes at %d%% of the replay's speed", share)
	var target *Target
	if share == 50 {
		target = atMost(1000)
	}
	f.add(name+"median", lags.median(), "ms", nil, "lag under "+of+", from a write's answer until it is read on the destination")
	f.add(name+"p99", lags.quantile(0.99), "ms", target, "the 99th percentile of that")
	f.add(name+"writes", per(float64(total), duration.Seconds()), "operations/s", nil, of+": what the source took")
	return nil
}

// paced writes at a rate until told to stop, and gives how much that was. What the
// source takes late is not made up for in one go.
func (l *steady) paced(ctx, until context.Context, i int, rate float64) (int64, error) {
	tick := time.NewTicker(max(time.Duration(float64(burst)/rate*float64(time.Second)), time.Millisecond))
	defer tick.Stop()
	var n int64
	for {
		select {
		case <-until.Done():
			return n, ctx.Err()
		case <-tick.C:
		}
		if err := l.authors[i].write(ctx, l.source, l.makers[i], burst); err != nil {
			return n, err
		}
		n += burst
	}
}

// afterPause measures how fast the worker catches up with what was written in a pause.
func (l *steady) afterPause(ctx context.Context, f *figures, operations int64) error {
	if err := l.tell(ctx, migration.MessagePause); err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	for i := range l.authors {
		group.Go(func() error {
			for left := operations / authors; left > 0; left -= passage {
				if err := l.authors[i].write(groupCtx, l.source, l.makers[i], int(min(left, passage))); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	last, err := l.probes.write(ctx)
	if err != nil {
		return err
	}
	m := measure(l.crew.workers[0])
	started := time.Now()
	if err := l.tell(ctx, migration.MessageResume); err != nil {
		return errors.Join(err, m.done())
	}
	err = l.probes.await(ctx, last)
	took := time.Since(started)
	if stopped := m.done(); err == nil {
		err = stopped
	}
	f.add("after_pause", rate(operations/authors*authors, took), "events/s", nil, "a worker catches up with the mixed history, from the message resume on")
	f.add("after_pause_cpu", per(m.between(started, started.Add(took)), float64(operations)/1e6), "CPU s/million", nil, "the worker's CPU time by a million events")
	return err
}

// tell sends a message to the migration.
func (l *steady) tell(ctx context.Context, message string) error {
	handle, err := l.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: l.voyage.id, UpdateName: message, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return fmt.Errorf("send %s: %w", message, err)
	}
	var answer string
	return handle.Get(ctx, &answer)
}
