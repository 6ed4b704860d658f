package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mongoferry/internal/devstack"
)

const latencyLimit = 5 * time.Minute

var (
	// crews are how many workers share a copy.
	crews = []int{1, 2, 4}
	// roundTrips are the delays of the servers, there and back.
	roundTrips = []time.Duration{0, 5 * time.Millisecond, 50 * time.Millisecond}
)

// workersPart measures the copy by several workers, and over networks of some latency:
// both servers are reached through proxies on loopback, also without a delay, so that
// what the proxy itself costs is in every figure.
func (s *suite) workersPart(ctx context.Context) error {
	set := dataset{name: "1KB", documents: s.scaled(1_000_000), size: 1000}
	return s.with(ctx, "workers.", devstack.ReplicaSetOptions{}, func(r *rig, f *figures) (err error) {
		if err := fill(ctx, r.source, collection, set); err != nil {
			return err
		}
		d, err := r.atADistance()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, d.stop()) }()
		return s.repeat(f, "1.50ms.ratio", latencyLimit, func(n int) error {
			took := map[string]time.Duration{}
			for i := range len(crews) * len(roundTrips) {
				i = (i + n) % (len(crews) * len(roundTrips))
				workers, roundTrip := crews[i/len(roundTrips)], roundTrips[i%len(roundTrips)]
				if took[far(workers, roundTrip)], err = d.copy(ctx, set.documents, workers, roundTrip); err != nil {
					return fmt.Errorf("%d workers at %s: %w", workers, roundTrip, err)
				}
			}
			noteFar(f, set.documents, took)
			return nil
		})
	})
}

// far names a combination.
func far(workers int, roundTrip time.Duration) string {
	return fmt.Sprintf("%d.%dms", workers, roundTrip.Milliseconds())
}

func noteFar(f *figures, documents int64, took map[string]time.Duration) {
	for _, workers := range crews {
		for _, roundTrip := range roundTrips {
			name := far(workers, roundTrip)
			about := fmt.Sprintf("%d workers, servers %d ms away", workers, roundTrip.Milliseconds())
			f.add(name+".rate", rate(documents, took[name]), "documents/s", nil, about)
			if roundTrip > 0 {
				var target *Target
				if roundTrip == 50*time.Millisecond {
					target = atLeast(0.9)
				}
				f.add(name+".ratio", per(took[far(workers, 0)].Seconds(), took[name].Seconds()), "of no latency", target, "that by the rate without latency")
			}
			if workers > 1 {
				f.add(name+".scaleout", per(took[far(1, roundTrip)].Seconds(), took[name].Seconds()), "of 1 worker", nil, "that by the rate of one worker")
			}
		}
	}
}

// distance is proxies before both servers.
type distance struct {
	*rig
	source, destination *devstack.Proxy
}

func (r *rig) atADistance() (*distance, error) {
	source, err := devstack.StartProxy(r.src.Host())
	if err != nil {
		return nil, err
	}
	destination, err := devstack.StartProxy(r.dst.Host())
	if err != nil {
		return nil, errors.Join(err, source.Stop())
	}
	return &distance{rig: r, source: source, destination: destination}, nil
}

func (d *distance) stop() error { return errors.Join(d.source.Stop(), d.destination.Stop()) }

// copy is how long the copy takes so many workers, with the servers so far away.
func (d *distance) copy(ctx context.Context, documents int64, workers int, roundTrip time.Duration) (time.Duration, error) {
	if err := d.reset(ctx); err != nil {
		return 0, err
	}
	oneWay := max(roundTrip/2, time.Microsecond) // not 0, so that the proxies do the same work each time
	d.source.Delay(oneWay)
	d.destination.Delay(oneWay)
	c, err := d.hire(ctx, workers)
	if err != nil {
		return 0, err
	}
	v, err := d.begin(ctx, c, d.source.URI(), d.destination.URI())
	if err == nil {
		err = v.follow(scheduled(actApply, 1))
	}
	if err != nil {
		return 0, c.failed(err)
	}
	if err := errors.Join(d.abandon(ctx, v, c), holds(ctx, d.rig.destination, documents)); err != nil {
		return 0, err
	}
	return v.took(actCopy), nil
}
