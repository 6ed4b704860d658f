package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/migration"
)

const (
	probeEvery = 20 * time.Millisecond
	// lookEvery is how exactly a lag is known.
	lookEvery = 3 * time.Millisecond
	// probePatience bounds how long one may be on its way.
	probePatience = 5 * time.Minute
)

var probeCollection = migration.Namespace{DB: database, Collection: "probes"}

// probes are documents written to the source and watched for on the destination: what
// was written before them is there when they are, or all but.
type probes struct {
	*rig
	mu      sync.Mutex
	last    int64
	written map[int64]time.Time
}

// write writes the next probe and gives its number.
func (p *probes) write(ctx context.Context) (int64, error) {
	p.mu.Lock()
	p.last++
	n := p.last
	p.mu.Unlock()
	err := p.source.Write(ctx, database, bson.D{
		{Key: "insert", Value: probeCollection.Collection}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: n}}}},
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.written[n] = time.Now()
	return n, err
}

// newest is the number of the newest probe that is on the destination.
func (p *probes) newest(ctx context.Context) (int64, error) {
	reply, err := p.destination.Run(ctx, database, bson.D{
		{Key: "find", Value: probeCollection.Collection}, {Key: "sort", Value: bson.D{{Key: "_id", Value: -1}}}, {Key: "limit", Value: 1},
	})
	if err != nil {
		return 0, err
	}
	n, _ := reply.Lookup("cursor", "firstBatch", "0", "_id").AsInt64OK() // none is 0
	return n, nil
}

// await waits until a probe is on the destination.
func (p *probes) await(ctx context.Context, n int64) error {
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	for {
		newest, err := p.newest(ctx)
		if err != nil || newest >= n {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for a write to reach the destination: %w", ctx.Err())
		case <-time.After(lookEvery):
		}
	}
}

// through sends a probe and waits until it is there.
func (p *probes) through(ctx context.Context) error {
	n, err := p.write(ctx)
	if err != nil {
		return err
	}
	return p.await(ctx, n)
}

// watch sends probes until the writing ends and gives the lag of each that was written
// after a time, in milliseconds.
func (p *probes) watch(ctx, writing context.Context, after time.Time) (series, error) {
	group, ctx := errgroup.WithContext(ctx)
	first := p.last + 1
	ended := make(chan int64, 1)
	group.Go(func() error {
		n, err := p.keepWriting(ctx, writing)
		ended <- n
		return err
	})
	var lags series
	group.Go(func() error {
		last := int64(-1)
		for next := first; last < 0 || next <= last; {
			select {
			case last = <-ended:
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(lookEvery):
			}
			newest, err := p.newest(ctx)
			if err != nil {
				return err
			}
			lags = append(lags, p.arrived(next, newest, after)...)
			next = max(next, newest+1)
		}
		return nil
	})
	err := group.Wait()
	return lags, err
}

func (p *probes) keepWriting(ctx, until context.Context) (last int64, err error) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		select {
		case <-until.Done():
			return last, ctx.Err()
		case <-tick.C:
		}
		if last, err = p.write(ctx); err != nil {
			return last, err
		}
	}
}

// arrived gives the lags of the probes that have just been seen. One that is seen
// before its write was answered had none.
func (p *probes) arrived(from, to int64, after time.Time) series {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	var lags series
	for n := from; n <= to; n++ {
		at, answered := p.written[n]
		switch {
		case !answered:
			lags = append(lags, 0)
		case at.After(after):
			lags = append(lags, float64(now.Sub(at).Microseconds())/1000)
		}
	}
	return lags
}
