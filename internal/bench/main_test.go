package bench

import (
	"context"
	"fmt"
	"os"
	"testing"

	"mongoferry/internal/devstack"
)

// TestMain: this program, too, is started again to do a job.
func TestMain(m *testing.M) {
	if IsJob() {
		if err := DoJob(context.Background(), os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(devstack.Main(m))
}

// TestQuick runs the quick part with next to no data: all that is measured with must
// go on working.
func TestQuick(t *testing.T) {
	t.Parallel()
	results, err := Run(t.Context(), Options{Part: "quick", Scale: 0.001, Least: 1, Most: 1, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	positive := map[string]bool{"quick.copy.ratio": true, "quick.copy.with_indexes": true, "quick.copy.worker_memory": true,
		"quick.replay.ratio": true, "quick.replay.stream": true, "quick.start.first_document": true}
	for _, r := range results {
		if positive[r.Name] && r.Value <= 0 {
			t.Errorf("%s is %v", r.Name, r.Value)
		}
		delete(positive, r.Name)
	}
	for name := range positive {
		t.Errorf("there is no %s", name)
	}
}

func TestUnknownPart(t *testing.T) {
	t.Parallel()
	if _, err := Run(t.Context(), Options{Part: "copies", Scale: 1, Log: t.Output()}); err == nil {
		t.Error("a part that does not exist was measured")
	}
}
