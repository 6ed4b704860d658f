package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"mongoferry/internal/devstack"
	"mongoferry/internal/migration"
)

// jobVariable holds what a process of this program's own is to do: what is compared
// with a worker runs in a process like it, not beside the data that is held in memory
// here.
const jobVariable = "MONGOFERRY_BENCH_JOB"

// job is something to do between two clusters. Token and Start are where a history
// begins, End is where it ends.
type job struct {
	Kind        string
	Source      string
	Destination string
	ID          string
	Token       []byte
	Start, End  migration.OpTime
}

// outcome is what a job has taken. Error is why it failed.
type outcome struct {
	// Began and Ended are when the job did, CPU the process's own meanwhile.
	Began, Ended time.Time
	Seconds      float64
	// IndexSeconds is how long the indexes took after that.
	IndexSeconds float64
	Documents    int64
	Events       int64
	CPU          float64
	Error        string
}

// IsJob says whether this process was started to do a job: call DoJob then, and
// nothing else.
func IsJob() bool { return os.Getenv(jobVariable) != "" }

// DoJob does it and prints what it has taken.
func DoJob(ctx context.Context, out io.Writer) error {
	var j job
	if err := json.Unmarshal([]byte(os.Getenv(jobVariable)), &j); err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	// A worker's start is not measured, and neither is this one's.
	began := time.Now()
	before, err := ownCPU()
	if err != nil {
		return err
	}
	result, err := j.do(ctx)
	if err != nil {
		result.Error = err.Error()
	}
	result.Began, result.Ended = began, time.Now()
	if result.CPU, err = ownCPU(); err != nil {
		return err
	}
	result.CPU -= before
	return json.NewEncoder(out).Encode(result)
}

func (j job) do(ctx context.Context) (outcome, error) {
	source, destination, err := connectBoth(j.Source, j.Destination)
	if err != nil {
		return outcome{}, err
	}
	defer func() { _ = errors.Join(source.Close(ctx), destination.Close(ctx)) }() // the process ends next
	switch j.Kind {
	case jobCopy:
		return copyAlone(ctx, source, destination, j.ID)
	case jobReplay:
		return replayAlone(ctx, source, destination, j)
	case jobRaw:
		return replayRaw(ctx, source, destination, j)
	case jobStream:
		return readStream(ctx, source, j)
	default:
		return outcome{}, fmt.Errorf("no job is called %q", j.Kind)
	}
}

// delegate lets a process of its own do a job.
func (r *rig) delegate(ctx context.Context, j job) (outcome, error) {
	j.Source, j.Destination = r.src.URI(), r.dst.URI()
	text, err := json.Marshal(j)
	if err != nil {
		return outcome{}, fmt.Errorf("encode a job: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return outcome{}, fmt.Errorf("find the own program: %w", err)
	}
	dir, err := devstack.TempDir("job")
	if err != nil {
		return outcome{}, err
	}
	log := filepath.Join(dir, "out")
	p, err := devstack.StartProcess(devstack.ProcessOptions{Path: self, Env: []string{jobVariable + "=" + string(text)}, LogFile: log})
	if err != nil {
		return outcome{}, err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		return outcome{}, errors.Join(ctx.Err(), p.Kill())
	}
	content, err := os.ReadFile(log)
	if err != nil {
		return outcome{}, fmt.Errorf("read what a job says: %w", err)
	}
	var result outcome
	if err := json.Unmarshal(content, &result); err != nil {
		return outcome{}, fmt.Errorf("the job %s failed: %s", j.Kind, content)
	}
	if result.Error != "" {
		return result, fmt.Errorf("the job %s failed: %s", j.Kind, result.Error)
	}
	return result, nil
}
