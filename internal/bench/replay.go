package bench

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/zap"

	"mongoferry/internal/catalog"
	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/namespace"
	"mongoferry/internal/ownership"
	"mongoferry/internal/replication"
)

const (
	jobReplay = "replay"
	// replayID is the owner of what is replayed into.
	replayID    = "replay"
	replayLimit = 3 * time.Minute
)

// story is a history to replay, and by what the tool is to be faster than the raw
// applier.
type story struct {
	name       string
	mix        mix
	documents  int64
	operations int64
	ratio      *Target
}

var mixed = mix{update: 60, insert: 25, replace: 10, remove: 5}

// replayed is the collection that histories change: documents of 400 bytes and an
// index.
func replayed(documents int64) dataset {
	return dataset{name: "replay", documents: documents, size: 400, indexes: []bson.D{{{Key: "customer", Value: 1}}}}
}

func (s *suite) stories() []story {
	documents, operations := s.scaled(200_000), s.scaled(400_000)
	hot := mixed
	hot.hot = 90
	return []story{
		{name: "mixed", mix: mixed, documents: documents, operations: operations, ratio: atLeast(1.3)},
		{name: "hot", mix: hot, documents: documents, operations: operations, ratio: atLeast(1.5)},
		{name: "hot_updates", mix: mix{update: 100, hot: 90}, documents: documents, operations: operations, ratio: atLeast(2.5)},
	}
}

func (s *suite) replayPart(ctx context.Context) error {
	for _, story := range s.stories() {
		if err := s.replay(ctx, "replay."+story.name+".", story, replayLimit); err != nil {
			return err
		}
	}
	return s.steadyLag(ctx)
}

// replay measures the catching up with a history.
func (s *suite) replay(ctx context.Context, prefix string, of story, limit time.Duration) error {
	return s.with(ctx, prefix, devstack.ReplicaSetOptions{}, func(r *rig, f *figures) error {
		p, err := r.writeStory(ctx, of)
		if err != nil {
			return err
		}
		return s.repeat(f, "ratio", limit, func(n int) error {
			took := map[string]outcome{}
			kinds := []string{jobStream, jobRaw, jobReplay}
			for i := range kinds {
				kind := kinds[(i+n)%len(kinds)]
				if took[kind], err = p.once(ctx, kind); err != nil {
					return err
				}
			}
			noteReplay(f, of, took[jobReplay], took[jobRaw], took[jobStream])
			return nil
		})
	})
}

func noteReplay(f *figures, of story, tool, raw, stream outcome) {
	speed := func(o outcome) float64 { return per(float64(o.Events), o.Seconds) }
	f.add("ratio", per(speed(tool), speed(raw)), "of the raw applier", of.ratio, "events a second, by those of the raw applier")
	f.add("rate", speed(tool), "events/s", nil, "the engine catches up with the history")
	f.add("raw", speed(raw), "events/s", nil, "a plain applier: one statement an event, 4 writers by hash of _id, same write concern")
	f.add("stream", speed(stream), "events/s", nil, "the change stream read alone")
	f.add("of_stream", per(speed(tool), speed(stream)), "of the stream", nil, "events a second, by those of the stream read alone")
	f.add("cpu", per(tool.CPU, float64(tool.Events)/1e6), "CPU s/million", nil, "the engine's CPU time by a million events")
	f.add("raw_cpu", per(raw.CPU, float64(raw.Events)/1e6), "CPU s/million", nil, "the raw applier's")
}

// past is a history on the source, and the documents as they were before it.
type past struct {
	*rig
	before     *ceiling
	start      catalog.Start
	end        migration.OpTime
	operations int64
}

// writeStory fills the source, notes where it stands, and writes the history.
func (r *rig) writeStory(ctx context.Context, of story) (*past, error) {
	set := replayed(of.documents)
	if err := fill(ctx, r.source, collection, set); err != nil {
		return nil, err
	}
	p := &past{rig: r, operations: of.operations / authors * authors}
	var err error
	if p.before, err = newCeiling(ctx, r.source, r.destination, collection); err != nil {
		return nil, err
	}
	filter, err := benchFilter()
	if err != nil {
		return nil, err
	}
	if p.start, err = catalog.ReadConsistent(ctx, r.source, filter); err != nil {
		return nil, err
	}
	if err := writeHistory(ctx, r.source, set, of.mix, of.operations); err != nil {
		return nil, err
	}
	p.end, err = note(ctx, r.source)
	return p, err
}

func benchFilter() (namespace.Filter, error) {
	return namespace.Parse([]string{database + ".*"}, nil, metadata)
}

// once replays the history, or only reads it, and looks whether the result is right.
func (p *past) once(ctx context.Context, kind string) (outcome, error) {
	if kind != jobStream {
		if err := p.goBack(ctx); err != nil {
			return outcome{}, err
		}
	}
	o, err := p.delegate(ctx, job{Kind: kind, ID: replayID, Token: p.start.ResumeToken, Start: p.start.OpTime, End: p.end})
	if err != nil {
		return o, err
	}
	if o.Events < p.operations {
		return o, fmt.Errorf("%s: %d events, and %d operations were written", kind, o.Events, p.operations)
	}
	if kind != jobStream {
		err = p.same(ctx)
	}
	return o, err
}

// goBack makes the destination what the source was before the history.
func (p *past) goBack(ctx context.Context) error {
	if err := p.reset(ctx); err != nil {
		return err
	}
	if err := ownership.NewLedger(p.destination, metadata, replayID).Claim(ctx, "source", "run"); err != nil {
		return err
	}
	cols := catalog.NewMap(p.destination, metadata)
	if err := cols.Create(ctx, p.start.Collections); err != nil {
		return err
	}
	if _, err := p.before.insertAll(ctx); err != nil {
		return err
	}
	if err := (engine{dst: p.destination, cols: cols}).build(ctx); err != nil {
		return err
	}
	return checkpoint(ctx, p.destination)
}

// same wants both sides to hold the same documents: a fast way to a wrong end is no
// figure.
func (p *past) same(ctx context.Context) error {
	var hashes [2]string
	for i, c := range []*mongodb.Client{p.source, p.destination} {
		reply, err := c.Run(ctx, database, bson.D{{Key: "dbHash", Value: 1}})
		if err != nil {
			return err
		}
		hashes[i], _ = reply.Lookup("collections", collection.Collection).StringValueOK()
	}
	if hashes[0] == "" || hashes[0] != hashes[1] {
		return fmt.Errorf("after the replay the sides differ: dbHash %q and %q", hashes[0], hashes[1])
	}
	return nil
}

// replayAlone applies a history with the engine, as the activity does.
func replayAlone(ctx context.Context, src, dst *mongodb.Client, j job) (outcome, error) {
	filter, err := benchFilter()
	if err != nil {
		return outcome{}, err
	}
	ledger := ownership.NewLedger(dst, metadata, j.ID)
	attempt, err := ledger.Begin(ctx, ownership.LaneReplication)
	if err != nil {
		return outcome{}, err
	}
	started := time.Now()
	a, err := replication.New(ctx, replication.Config{
		Source: src, Destination: dst, Log: zap.NewNop(), Map: catalog.NewMap(dst, metadata), Filter: filter,
		Ledger: ledger, Lane: ownership.LaneReplication, Attempt: attempt, MetaDB: metadata, Writers: appliers,
	})
	if err != nil {
		return outcome{}, err
	}
	p, err := a.Run(ctx, replication.Position{ResumeToken: j.Token, OpTime: j.Start},
		func(p replication.Progress) bool { return !p.OpTime.Before(j.End) })
	return outcome{Seconds: time.Since(started).Seconds(), Events: p.EventsRead}, err
}
