package bench

import (
	"math"
	"os"
	"testing"
	"time"
)

func TestSeries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		of             series
		median, spread float64
	}{
		{nil, 0, 0},
		{series{7}, 7, 0},
		{series{3, 1}, 2, 1},
		{series{9, 1, 2}, 2, 4},
		{series{4, 1, 3, 2}, 2.5, 1.5},
	} {
		if got := c.of.median(); got != c.median {
			t.Errorf("the median of %v is %v, want %v", c.of, got, c.median)
		}
		if got := c.of.spread(); got != c.spread {
			t.Errorf("the spread of %v is %v, want %v", c.of, got, c.spread)
		}
	}
	hundred := make(series, 101)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	if got := hundred.quantile(0.99); got != 99 {
		t.Errorf("the 99th percentile of 0 to 100 is %v", got)
	}
	if got := hundred[0]; got != 100 {
		t.Error("the values were put in another order")
	}
}

func TestSignificant(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]float64{0: 0, 0.123456: 0.1235, -1.00049: -1, 123456: 123500} {
		if got := significant(v); math.Abs(got-want) > 1e-9*math.Abs(want) {
			t.Errorf("%v becomes %v, want %v", v, got, want)
		}
	}
}

// TestEnough: as often as asked for, and no longer than there is time.
func TestEnough(t *testing.T) {
	t.Parallel()
	r := repetition{Least: 3, Most: 5, Precision: 0.1}
	for _, c := range []struct {
		values series
		until  time.Duration
		want   bool
	}{
		{series{1}, 0, false},
		{series{1, 1}, 90 * time.Second, false}, // too few, though over time
		{series{1, 1}, 3 * time.Minute, true},   // far over time
		{series{1, 1, 1}, 0, true},
		{series{1, 2, 1}, 0, false},
		{series{1, 2, 1}, 2 * time.Minute, true},
		{series{1, 2, 1, 2, 1}, 0, true},
	} {
		if got := r.enough(c.values, c.until, time.Minute); got != c.want {
			t.Errorf("after %v, %s: %t", c.values, c.until, got)
		}
	}
}

// TestCPUAt: between two samples, and at or beyond the ends.
func TestCPUAt(t *testing.T) {
	t.Parallel()
	start := time.Now()
	samples := []sample{{start, 1}, {start.Add(100 * time.Millisecond), 2}, {start.Add(200 * time.Millisecond), 6}}
	for ms, want := range map[int]float64{-50: 1, 0: 1, 50: 1.5, 100: 2, 175: 5, 200: 6, 900: 6} {
		if got := cpuAt(samples, start.Add(time.Duration(ms)*time.Millisecond)); math.Abs(got-want) > 1e-9 {
			t.Errorf("after %d ms: %v, want %v", ms, got, want)
		}
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	got, err := parseStat("42 (a) (b 1) S 1 42 42 0 -1 4194560 9 0 0 0 150 50 7 7 20 0 1 0 9 9 9")
	if err != nil || got != 2 {
		t.Errorf("%v seconds, %v", got, err)
	}
	if _, err := parseStat("42 (a) S 1"); err == nil {
		t.Error("a line without times was read")
	}
}

// TestCPUSeconds: the system's two accounts of this process agree, so ticks are taken
// for what they are.
func TestCPUSeconds(t *testing.T) {
	t.Parallel()
	for start := time.Now(); time.Since(start) < 100*time.Millisecond; { // it is to use time
	}
	before, err := ownCPU()
	if err != nil {
		t.Fatal(err)
	}
	got, err := cpuSeconds(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	after, err := ownCPU()
	if err != nil {
		t.Fatal(err)
	}
	if tick := 2.0 / ticksPerSecond; got < before-tick || got > after+tick {
		t.Errorf("%v CPU seconds, and %v to %v by getrusage", got, before, after)
	}
}
