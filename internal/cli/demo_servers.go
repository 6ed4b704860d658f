package cli

import (
	"context"
	"encoding/base64"
	"errors"
	"sync"

	"mongoferry/internal/devstack"
	"mongoferry/internal/seal"
)

// demoServers are the real parts of the demo.
type demoServers struct {
	temporal            *devstack.TemporalServer
	source, destination *devstack.ReplicaSet
	key                 seal.Key
}

// startDemoServers starts them side by side; when one fails, none is left.
func startDemoServers(ctx context.Context) (*demoServers, error) {
	s := &demoServers{key: seal.NewKey()}
	var errs [3]error
	var all sync.WaitGroup
	all.Go(func() {
		s.temporal, errs[0] = startDemoTemporal(ctx)
	})
	all.Go(func() {
		s.source, errs[1] = devstack.StartReplicaSet(ctx, devstack.ReplicaSetOptions{Name: "source"})
	})
	all.Go(func() {
		s.destination, errs[2] = devstack.StartReplicaSet(ctx, devstack.ReplicaSetOptions{Name: "destination"})
	})
	all.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// startDemoTemporal has its UI at the usual port, unless somebody is there or is
// quicker.
func startDemoTemporal(ctx context.Context) (*devstack.TemporalServer, error) {
	if port := ifFree(uiPort); port != 0 {
		t, err := devstack.StartTemporal(ctx, devstack.TemporalOptions{UI: true, UIPort: port})
		if err == nil || ctx.Err() != nil || ifFree(uiPort) != 0 {
			return t, err
		}
	}
	return devstack.StartTemporal(ctx, devstack.TemporalOptions{UI: true})
}

// environ is how the starter's other commands find Temporal.
func (s *demoServers) environ() []string {
	return []string{
		"TEMPORAL_ADDRESS=" + s.temporal.Address(), "TEMPORAL_NAMESPACE=default", "TEMPORAL_CONFIG_FILE=/dev/null",
		envUI + "=" + s.temporal.UIURL(), seal.EnvKey + "=" + base64.StdEncoding.EncodeToString(s.key),
	}
}

func (s *demoServers) stop() error {
	var errs []error
	for _, set := range []*devstack.ReplicaSet{s.source, s.destination} {
		if set != nil {
			errs = append(errs, set.Stop())
		}
	}
	if s.temporal != nil {
		errs = append(errs, s.temporal.Stop())
	}
	return errors.Join(errs...)
}
