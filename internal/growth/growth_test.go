package growth

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mongoferry/activities"
	"mongoferry/internal/migration"
)

// results names the folder into which the figures are written; empty: the migrations
// played are small. `make growth` sets it.
var results = os.Getenv("MONGOFERRY_GROWTH")

const (
	gb = int64(1) << 30
	tb = int64(1) << 40
)

// scenes are the migrations that are played. In ready, slices stand for minutes.
func scenes() []scene {
	if results == "" {
		return []scene{
			{"10 GB", Migration{Bytes: 10 * gb, Collections: 1}, 1},
			{"5,000 collections", Migration{Collections: 5000, Indexed: 5000}, 1},
			{"1 h ready", Migration{Bytes: gb, Collections: 1, Ready: time.Hour}, 60},
		}
	}
	return []scene{
		{"1 GB", Migration{Bytes: gb, Collections: 1}, 1},
		{"10 GB", Migration{Bytes: 10 * gb, Collections: 1}, 1},
		{"100 GB", Migration{Bytes: 100 * gb, Collections: 1}, 1},
		{"256 GB", Migration{Bytes: 256 * gb, Collections: 1}, 1},
		{"1 TB", Migration{Bytes: tb, Collections: 1}, 1},
		{"1,000 collections", Migration{Collections: 1000, Indexed: 1000}, 1},
		{"10,000 collections", Migration{Collections: 10_000, Indexed: 10_000}, 1},
		{"100,000 collections", Migration{Collections: 100_000, Indexed: 100_000}, 1},
		{"24 h ready", Migration{Bytes: gb, Collections: 1, Ready: 24 * time.Hour}, 1440},
	}
}

type scene struct {
	name string
	Migration
	slices int64
}

func (s scene) cast() *cast {
	n := int64(s.Collections)
	return &cast{slices: s.slices, plan: activities.Plan{
		Start: activities.Position{ResumeToken: token, OpTime: migration.OpTime{T: 100}},
		Units: s.Units(), IndexUnits: s.Bundles(), Namespaces: n, Documents: 1000 * n, Bytes: s.Bytes, Indexes: int64(s.Indexed),
	}}
}

// TestGrowth plays migrations of growing size without data, and holds what Temporal
// has written of them against its limits and against the reckoning.
func TestGrowth(t *testing.T) {
	t.Parallel()
	for _, s := range scenes() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := newStage(t, s.cast()).play()
			t.Log(w)
			w.within(t)
			most := s.Cost()
			if w.Events > most.Events || w.Tasks > most.Tasks || w.Bytes > most.Bytes || w.Activities > most.Activities {
				t.Errorf("more than the reckoned %+v", most)
			}
			if w.Events > 2*SuggestEvents && w.Runs == 1 {
				t.Error("it did not continue as new")
			}
			keep(t, s.name, w)
		})
	}
}

// TestEverythingRefused plays a migration whose destination refuses every index of
// 5,000 collections: what it has to tell must not become too large to be told.
func TestEverythingRefused(t *testing.T) {
	t.Parallel()
	s := scene{"", Migration{Bytes: gb, Collections: 5000, Indexed: 5000}, 5}
	c := s.cast()
	c.refuses = true
	w := newStage(t, c).play()
	t.Log(w)
	w.within(t)
}

// within wants to be far from every limit: where Temporal would warn, if there is a
// warning, and at a tenth of the number that ends a migration otherwise.
func (w Written) within(t *testing.T) {
	t.Helper()
	for _, l := range []struct {
		what        string
		have, limit int64
	}{
		{"events of a run", int64(w.RunEvents), WarnEvents / 2},
		{"bytes of a run", w.RunBytes, WarnBytes / 2},
		{"payload", int64(w.Payload), WarnPayload},
		{"memo", int64(w.Memo), 16 << 10},
	} {
		if l.have > l.limit {
			t.Errorf("%s: %d is near %d", l.what, l.have, l.limit)
		}
	}
}

// result has the form of package bench's.
type result struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

var keeping sync.Mutex

// keep writes the figures of a scene beside those of the others.
func keep(t *testing.T, name string, w Written) {
	t.Helper()
	if results == "" {
		return
	}
	keeping.Lock()
	defer keeping.Unlock()
	path := filepath.Join(results, "growth.json")
	var all []result
	if content, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(content, &all); err != nil {
			t.Fatal(err)
		}
	}
	put := func(what string, value float64, unit string) {
		r := result{"growth." + name + "." + what, value, unit}
		for i := range all {
			if all[i].Name == r.Name {
				all[i] = r
				return
			}
		}
		all = append(all, r)
	}
	put("events", float64(w.Events), "events")
	put("tasks", float64(w.Tasks), "tasks")
	put("activities", float64(w.Activities), "activities")
	put("runs", float64(w.Runs), "runs")
	put("history", float64(w.Bytes), "bytes")
	put("largest run", float64(w.RunEvents), "events")
	put("largest run's history", float64(w.RunBytes), "bytes")
	put("largest payload", float64(w.Payload), "bytes")
	put("largest memo", float64(w.Memo), "bytes")
	content, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(content, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
