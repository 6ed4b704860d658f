package random

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// Soaking says whether long runs are asked for, by MONGOFERRY_SOAK.
func Soaking() bool { return os.Getenv("MONGOFERRY_SOAK") != "" }

// Length is how long a soak goes on: MONGOFERRY_DURATION, or ten minutes.
func Length(t testing.TB) time.Duration {
	t.Helper()
	text := os.Getenv("MONGOFERRY_DURATION")
	if text == "" {
		return 10 * time.Minute
	}
	length, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("MONGOFERRY_DURATION: %v", err)
	}
	return length
}

// Seed is the one that MONGOFERRY_SEED asks for, so that a run can be had again,
// or another one.
func Seed(t testing.TB, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv("MONGOFERRY_SEED")
	if text == "" {
		return otherwise
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("MONGOFERRY_SEED: %v", err)
	}
	return seed
}

// ClockSeed is another one for every run.
func ClockSeed() uint64 { return uint64(time.Now().UnixNano()) % 1_000_000_000 }
