package replication

import (
	"path/filepath"
	"testing"

	"mongoferry/internal/random"
	"mongoferry/internal/scenario"
)

// TestSavedLifeReplays: what a random writer has done is saved as a scenario that
// loads, and that the source takes again as it took it then.
func TestSavedLifeReplays(t *testing.T) {
	t.Parallel()
	r, w := newLife(t)
	g := random.NewGenerator(7, 0)
	for range randomBefore {
		if _, err := w.Do(t.Context(), g.Next()); err != nil {
			t.Fatal(err)
		}
	}
	before := w.Log
	w.Log = nil
	for range randomAfter {
		if _, err := w.Do(t.Context(), g.Next()); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	if err := random.Save(filepath.Join(dir, "random-7-0"), "a random life", before, w.Log); err != nil {
		t.Fatal(err)
	}
	all, err := scenario.Load(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(all[0].Before)+len(all[0].After), len(before)+len(w.Log); got != want {
		t.Errorf("%d operations are loaded of %d", got, want)
	}
	forget(r)
	runner := scenario.NewRunner(r.src, r.db)
	for _, part := range [][]scenario.Operation{all[0].Before, all[0].After} {
		if err := runner.Run(t.Context(), part); err != nil {
			t.Error(err)
		}
	}
	forget(r)
}
