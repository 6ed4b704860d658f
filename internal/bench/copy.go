package bench

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/devstack"
)

// copySet is a dataset to copy, and what is to come of it.
type copySet struct {
	dataset
	limit                 time.Duration
	ratio, indexed, cpu   *Target
	memory, temporalShare *Target
}

func oneKB(documents int64) dataset {
	return dataset{name: "1KB", documents: documents, size: 1000, indexes: []bson.D{
		{{Key: "customer", Value: 1}}, {{Key: "status", Value: 1}, {Key: "at", Value: -1}}, {{Key: "n", Value: 1}},
	}}
}

// copySets are the sets of large collections.
func (s *suite) copySets() []copySet {
	return []copySet{
		{
			dataset: oneKB(s.scaled(2_000_000)), limit: 5 * time.Minute,
			ratio: atLeast(0.9), indexed: atLeast(1), memory: atMost(256), temporalShare: atMost(3),
		},
		{
			dataset: dataset{name: "200B", documents: s.scaled(3_000_000), size: 200}, limit: 4 * time.Minute,
			ratio: atLeast(0.75), cpu: atMost(1), memory: atMost(256), temporalShare: atMost(3),
		},
		{
			dataset: dataset{name: "50KB", documents: s.scaled(20_000), size: 50_000}, limit: 3 * time.Minute,
			ratio: atLeast(0.9), memory: atMost(256), temporalShare: atMost(3),
		},
	}
}

func (s *suite) copyPart(ctx context.Context) error {
	for _, set := range s.copySets() {
		if err := s.copySet(ctx, "copy."+set.name+".", set); err != nil {
			return err
		}
	}
	if err := s.firstDocument(ctx, "copy.start."); err != nil {
		return err
	}
	return s.smallCollections(ctx)
}

// copySet measures a set against its ceiling.
func (s *suite) copySet(ctx context.Context, prefix string, set copySet) error {
	return s.with(ctx, prefix, devstack.ReplicaSetOptions{}, func(r *rig, f *figures) error {
		if err := fill(ctx, r.source, collection, set.dataset); err != nil {
			return err
		}
		c, err := newCeiling(ctx, r.source, r.destination, collection)
		if err != nil {
			return err
		}
		return s.repeat(f, "ratio", set.limit, func(n int) error {
			var best bareCopy
			var engine engineCopy
			var tool toolCopy
			steps := []func() error{
				func() (err error) { best, err = r.bareCopy(ctx, c, set); return err },
				func() (err error) { engine, err = r.engineCopy(ctx); return err },
				func() (err error) { tool, err = r.toolCopy(ctx); return err },
			}
			for i := range steps {
				if err := steps[(i+n)%len(steps)](); err != nil {
					return err
				}
				if err := holds(ctx, r.destination, set.documents); err != nil {
					return err
				}
			}
			noteCopy(f, set, c, best, engine, tool)
			return nil
		})
	})
}

// noteCopy takes in one repetition.
func noteCopy(f *figures, set copySet, c *ceiling, best bareCopy, engine engineCopy, tool toolCopy) {
	n, mb := set.documents, float64(c.bytes)/1e6
	f.add("ratio", per(best.insert.Seconds(), tool.copied.Seconds()), "of the ceiling", set.ratio, "the copy's rate by that of inserting from memory")
	f.add("rate", rate(n, tool.copied), "documents/s", nil, "the copy, from its first unit's start to its last one's end")
	f.add("throughput", per(mb, tool.copied.Seconds()), "MB/s", nil, "the same in BSON bytes")
	f.add("ceiling", rate(n, best.insert), "documents/s", nil, "the same batches inserted from memory, same writers and write concern")
	f.add("read", rate(n, best.read), "documents/s", nil, "the source read the same way, nothing written")
	f.add("whole", tool.whole.Seconds(), "s", nil, "from the start of the workflow until it has caught up")
	if len(set.indexes) > 0 {
		f.add("indexes", tool.indexes.Seconds(), "s", nil, "the tool's index builds")
		f.add("bare_build", best.build.Seconds(), "s", nil, "the same indexes by one bare command")
		f.add("with_indexes", per((tool.copied+best.build).Seconds(), tool.indexed.Seconds()), "ratio", set.indexed,
			"copy plus one bare build, by copy and indexes of the tool")
	}
	million := float64(n) / 1e6
	f.add("worker_cpu", per(tool.workerCPU, million), "CPU s/million", set.cpu, "the worker's CPU time in the copy, by a million documents")
	f.add("worker_memory", tool.memory, "MB", set.memory, "the most memory that the worker had in use")
	f.add("engine", per(float64(n), engine.seconds), "documents/s", nil, "the copy by the engine alone, without Temporal")
	f.add("temporal", 100*per(tool.allCPU-engine.allCPU, engine.allCPU), "% of CPU s", set.temporalShare,
		"what all processes use more than with the engine alone, from the preparation to the last index")
	f.add("temporal_server", 100*per(tool.serverCPU, tool.allCPU), "% of CPU s", nil, "Temporal's own process, of all")
}

// bareCopy is how long reading, writing and building take, each alone.
type bareCopy struct{ read, insert, build time.Duration }

func (r *rig) bareCopy(ctx context.Context, c *ceiling, set copySet) (b bareCopy, err error) {
	if err := r.reset(ctx); err != nil {
		return b, err
	}
	if b.read, err = c.readAlone(ctx); err != nil {
		return b, err
	}
	if b.insert, err = c.insertAlone(ctx); err != nil {
		return b, err
	}
	b.build, err = c.buildAlone(ctx, set.indexes)
	return b, err
}

// reset makes the destination empty.
func (r *rig) reset(ctx context.Context) error { return reset(ctx, r.destination, database, metadata) }

// engineCopy is the copy without Temporal. CPU is that of the servers and of the
// process that copies.
type engineCopy struct{ seconds, allCPU float64 }

func (r *rig) engineCopy(ctx context.Context) (engineCopy, error) {
	if err := r.reset(ctx); err != nil {
		return engineCopy{}, err
	}
	m := measure(r.src.Process(), r.dst.Process())
	o, err := r.delegate(ctx, job{Kind: jobCopy, ID: "engine"})
	if stopped := m.done(); err == nil {
		err = stopped
	}
	return engineCopy{seconds: o.Seconds, allCPU: m.between(o.Began, o.Ended) + o.CPU}, err
}

// toolCopy is the copy as an operator has it: by a workflow and a worker.
type toolCopy struct {
	// copied is the copy alone, indexed with the index builds, whole until it has
	// caught up.
	copied, indexes, indexed, whole time.Duration
	// CPU seconds: the worker's in the copy, Temporal's and those of all processes from
	// the preparation to the last index.
	workerCPU, serverCPU, allCPU float64
	memory                       float64
}

func (r *rig) toolCopy(ctx context.Context) (t toolCopy, err error) {
	if err := r.reset(ctx); err != nil {
		return t, err
	}
	c, err := r.hire(ctx, 1)
	if err != nil {
		return t, err
	}
	worker := c.workers[0]
	own, server := measure(worker), measure(r.temporal.Process())
	all := measure(r.src.Process(), r.dst.Process(), r.temporal.Process(), worker)
	v, err := r.begin(ctx, c, r.src.URI(), r.dst.URI())
	if err == nil {
		err = v.follow(finished(actApply, 1))
	}
	for _, end := range []func() error{own.done, server.done, all.done} {
		if stopped := end(); err == nil {
			err = stopped
		}
	}
	if err != nil {
		return t, c.failed(err)
	}
	if t.memory, err = peakMemory(worker); err != nil {
		return t, err
	}
	from, to := v.span(actCopy)
	end := v.copied()
	prepared, _ := v.span(actPrepare)
	_, caughtUp := v.span(actApply)
	t.copied, t.indexes, t.indexed, t.whole = to.Sub(from), v.took(actIndex), end.Sub(from), caughtUp.Sub(v.started)
	t.workerCPU, t.serverCPU, t.allCPU = own.between(from, to), server.between(prepared, end), all.between(prepared, end)
	return t, r.abandon(ctx, v, c)
}
