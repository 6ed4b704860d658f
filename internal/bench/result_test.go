package bench

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSave: a run replaces its own results and leaves the others as they are.
func TestSave(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "results", "latest.json")
	for _, run := range [][]Result{
		{{Name: "copy.1KB.ratio", Value: 1}, {Name: "copy.1KB.rate", Value: 2}, {Name: "replay.mixed.ratio", Value: 3}},
		{{Name: "copy.1KB.ratio", Value: 4}, {Name: "copy.50KB.ratio", Value: 5}},
	} {
		if err := Save(path, run); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []Result
	if err := json.Unmarshal(content, &got); err != nil {
		t.Fatal(err)
	}
	want := []Result{
		{Name: "copy.1KB.ratio", Value: 4}, {Name: "copy.1KB.rate", Value: 2}, {Name: "copy.50KB.ratio", Value: 5}, {Name: "replay.mixed.ratio", Value: 3},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Save(path, nil); err == nil {
		t.Error("a file that is broken was written over")
	}
}

func TestReached(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		target        *Target
		value, spread float64
		want          string
	}{
		{atLeast(0.9), 0.9, 0, "yes"},
		{atLeast(0.9), 0.88, 0.03, "within the spread"},
		{atLeast(0.9), 0.8, 0.03, "no"},
		{atMost(3), 2, 5, "yes"},
		{atMost(3), 4, 1, "within the spread"},
		{atMost(3), 5, 1, "no"},
	} {
		if got := c.target.reached(c.value, c.spread); got != c.want {
			t.Errorf("%v ± %v, to be %s: %s, want %s", c.value, c.spread, c.target, got, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	f := newFigures("copy.x.")
	f.add("ratio", 0.5, "of the ceiling", atLeast(0.9), "about")
	f.add("ratio", 0.7, "of the ceiling", atLeast(0.9), "about")
	var out bytes.Buffer
	if err := Table(&out, f.results("here")); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(strings.Fields(out.String()), " "); !strings.Contains(got, "copy.x.ratio 0.600 0.100 of the ceiling ≥ 0.900 no 2 about") {
		t.Error(got)
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{0: "0", 0.9: "0.900", 1.234: "1.23", 123456.7: "123457", 0.00012: "0.0001", 256: "256", -2.5: "-2.50"} {
		if got := number(v); got != want {
			t.Errorf("%v is shown as %s, want %s", v, got, want)
		}
	}
}
