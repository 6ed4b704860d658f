package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"mongoferry/internal/devstack"
)

// ticksPerSecond is the unit of times in /proc/PID/stat, the same on every Linux
// that Go runs on.
const ticksPerSecond = 100

// sampleEvery is how often processes are looked at.
const sampleEvery = 100 * time.Millisecond

// meter notes from time to time what CPU time processes have used, so that it can be
// told for any time in between.
type meter struct {
	pids []int
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu      sync.Mutex
	samples []sample
	err     error
}

// sample is the CPU seconds of all the processes together at a time.
type sample struct {
	at  time.Time
	cpu float64
}

// measure begins to look at processes; end it with done.
func measure(processes ...*devstack.Process) *meter {
	ctx, stop := context.WithCancel(context.Background())
	m := &meter{stop: stop}
	for _, p := range processes {
		m.pids = append(m.pids, p.PID())
	}
	m.look()
	m.wg.Go(func() {
		tick := time.NewTicker(sampleEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				m.look()
			}
		}
	})
	return m
}

func (m *meter) look() {
	s := sample{at: time.Now()}
	for _, pid := range m.pids {
		cpu, err := cpuSeconds(pid)
		if err != nil {
			m.mu.Lock()
			m.err = errors.Join(m.err, err)
			m.mu.Unlock()
			return
		}
		s.cpu += cpu
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.samples = append(m.samples, s)
}

// done ends the looking, with a last look.
func (m *meter) done() error {
	m.stop()
	m.wg.Wait()
	m.look()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// between is the CPU seconds used from one time to another.
func (m *meter) between(from, to time.Time) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return cpuAt(m.samples, to) - cpuAt(m.samples, from)
}

// cpuAt interpolates between the samples around a time.
func cpuAt(samples []sample, at time.Time) float64 {
	for i, s := range samples {
		if s.at.Before(at) {
			continue
		}
		if i == 0 {
			return s.cpu
		}
		before := samples[i-1]
		share := per(float64(at.Sub(before.at)), float64(s.at.Sub(before.at)))
		return before.cpu + share*(s.cpu-before.cpu)
	}
	if len(samples) == 0 {
		return 0
	}
	return samples[len(samples)-1].cpu
}

// cpuSeconds is the time that a process has been running, in user and system mode.
func cpuSeconds(pid int) (float64, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read the CPU time of a process: %w", err)
	}
	return parseStat(string(content))
}

// parseStat reads the fields utime and stime, the 14th and 15th; the second is the
// program's name in parentheses, and may hold anything.
func parseStat(content string) (float64, error) {
	fields := strings.Fields(content[strings.LastIndexByte(content, ')')+1:])
	const utime, stime = 14 - 3, 15 - 3
	if len(fields) <= stime {
		return 0, fmt.Errorf("read the CPU time of a process: %q", content)
	}
	user, err := strconv.ParseInt(fields[utime], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the CPU time of a process: %w", err)
	}
	system, err := strconv.ParseInt(fields[stime], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the CPU time of a process: %w", err)
	}
	return float64(user+system) / ticksPerSecond, nil
}

// peakMemory is the most memory that a process has had in use, in MB.
func peakMemory(p *devstack.Process) (float64, error) {
	text, _, _ := strings.Cut(procField(fmt.Sprintf("/proc/%d/status", p.PID()), "VmHWM"), " ")
	kb, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("read the peak memory of a process: %w", err)
	}
	return kb / 1024, nil
}

// ownCPU is the CPU seconds that this process has used so far.
func ownCPU() (float64, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("read the own usage: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds(), nil
}
