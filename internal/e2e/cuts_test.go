package e2e

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
	"mongoferry/internal/random"
)

// outage is how much longer a network stays cut once the status tells of it:
// with MONGOFERRY_SOAK minutes, as networks do.
func outage() time.Duration {
	if !random.Soaking() {
		return 0
	}
	return 2 * time.Minute
}

// proxied is a migration whose workers reach both clusters through proxies; the
// workload reaches the source directly.
type proxied struct {
	*ordeal
	source, destination *devstack.Proxy
}

func newProxied(t *testing.T, id string, documents int) *proxied {
	t.Helper()
	s := newStack(t)
	s.patience = 2 * patience // there is much to catch up with after an outage
	p := &proxied{source: devstack.NewProxy(t, s.src.Host()), destination: devstack.NewProxy(t, s.dst.Host())}
	fill(t, s.source, documents)
	p.ordeal = &ordeal{stack: s, id: id, worker: s.worker(), workload: startWriters(t, s.src.URI(), 300)}
	spec := s.slowly(id)
	spec.Source.URI, spec.Destination.URI = p.source.URI(), p.destination.URI()
	s.start(spec)
	return p
}

// startWriters is a workload that leaves the catalog alone: what an outage has put
// off is soon caught up with, also on a busy machine.
func startWriters(t *testing.T, uri string, perSecond int) *workload {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &workload{t: t, client: connect(t, uri), stop: cancel}
	w.wg.Go(func() { w.write(ctx, rand.New(rand.NewPCG(1, 1)), 0, perSecond) })
	t.Cleanup(w.end)
	return w
}

// inTrouble waits until the status names the side that does not answer, and for
// as long as the outage lasts.
func (p *proxied) inTrouble(side string, phases ...migration.Phase) {
	p.t.Helper()
	st := p.awaitShown(side+" in trouble", func(st migration.Status) bool { return troubled(st, side) })
	if !slices.Contains(phases, st.Phase) {
		p.t.Errorf("the %s was in trouble in phase %s, not in %s", side, st.Phase, phases)
	}
	time.Sleep(outage())
}

// atWork waits until nothing is in trouble and the changes meanwhile are applied.
func (p *proxied) atWork() {
	p.t.Helper()
	p.awaitShown("no trouble and little lag", func(st migration.Status) bool {
		return !troubled(st, "source") && !troubled(st, "destination") && st.Phase == migration.Ready && st.Replication.LagSeconds < 5
	})
}

// awaitShown waits for what starter status shows; on a busy machine Temporal may not
// answer it in time.
func (p *proxied) awaitShown(what string, wanted func(migration.Status) bool) migration.Status {
	p.t.Helper()
	var out, errs string
	for end := time.Now().Add(p.patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		var st migration.Status
		var code int
		code, out, errs = p.starter("status", p.id, "-o", "json")
		if code == 0 && json.Unmarshal([]byte(out), &st) == nil && wanted(st) {
			return st
		}
	}
	p.t.Fatalf("waiting for %s: %s%s", what, out, errs)
	return migration.Status{}
}

// troubled says whether a status tells of something that fails on a side.
func troubled(st migration.Status, side string) bool {
	return slices.ContainsFunc(st.Notices, func(n migration.Notice) bool {
		return strings.Contains(n.Message, side+" 127.0.0.1:") &&
			(strings.Contains(n.Message, " fails: ") || strings.Contains(n.Message, "is tried again"))
	})
}

// TestNetworkCuts cuts the workers off from either cluster in each phase. They
// wait, say for whom, and go on.
func TestNetworkCuts(t *testing.T) {
	t.Parallel()
	p := newProxied(t, "cut", 60_000)
	p.reach(migration.Copying)
	p.source.Cut()
	p.inTrouble("source", migration.Copying)
	p.destination.Cut()
	p.source.Heal()
	p.inTrouble("destination", migration.Copying)
	p.destination.Heal()
	p.reach(migration.Ready)
	syncing := []migration.Phase{migration.CatchingUp, migration.Ready}
	for _, side := range []struct {
		name  string
		proxy *devstack.Proxy
	}{{"source", p.source}, {"destination", p.destination}} {
		side.proxy.Cut()
		p.inTrouble(side.name, syncing...)
		side.proxy.Heal()
		p.atWork()
	}
	p.cutAtTheWish(p.source, "source")
	p.finish()
}

// TestNetworkHangs: everything that is sent is swallowed, and no connection ends.
func TestNetworkHangs(t *testing.T) {
	t.Parallel()
	onlyInASoak(t)
	p := newProxied(t, "hang", 30_000)
	p.reach(migration.Copying)
	p.destination.Hang()
	p.inTrouble("destination", migration.Copying)
	p.destination.Heal()
	p.reach(migration.Ready)
	p.source.Hang()
	p.inTrouble("source", migration.CatchingUp, migration.Ready)
	p.source.Heal()
	p.atWork()
	p.cutAtTheWish(p.destination, "destination")
	p.finish()
}

// cutAtTheWish cuts a side off when a cutover has begun and has not fenced the
// source yet, or just has. It backs out, or completes when it was not stopped.
func (p *proxied) cutAtTheWish(proxy *devstack.Proxy, side string) {
	p.t.Helper()
	p.awaitPhase(p.id, migration.Ready)
	p.begin()
	proxy.Cut()
	st := p.awaitShown(side+" in trouble, or the cutover settled", func(st migration.Status) bool {
		return troubled(st, side) || st.Phase != migration.CuttingOver
	})
	p.t.Logf("the %s was cut off at the wish: phase %s, blocked %t, open %t", side, st.Phase, p.blocked(), p.opened())
	time.Sleep(outage())
	proxy.Heal()
	p.awaitShown("the cutover to be settled", func(st migration.Status) bool {
		return st.Phase == migration.Completed || st.Phase == migration.Ready && st.Replication.LagSeconds < 5
	})
}

// begin asks for a cutover until the marker says that one has begun: an index build
// of the workload may stand against it for a moment.
func (p *proxied) begin() {
	p.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if err := p.client.SignalWorkflow(p.t.Context(), p.id, "", migration.MessageCutover, nil); err != nil {
			p.t.Fatal(err)
		}
		for range 1000 {
			if p.begun() {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	p.t.Fatal("the cutover never began")
}

// begun says whether the marker holds a cutover, or is gone after one.
func (p *proxied) begun() bool {
	p.t.Helper()
	marker := p.dest.Database(migration.DefaultMetadataDB).Collection("marker")
	none, err := marker.CountDocuments(p.t.Context(), bson.D{{Key: "cutover.state", Value: bson.D{{Key: "$in", Value: bson.A{nil, "", "none"}}}}})
	if err != nil {
		p.t.Fatal(err)
	}
	return none == 0
}
