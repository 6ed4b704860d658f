package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Result is one figure: the median of its repetitions, and half of the distance from
// the smallest to the largest as its spread. Each names the machine and the versions
// that it was measured with, since parts can be measured apart.
type Result struct {
	Name    string  `json:"name"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
	Spread  float64 `json:"spread"`
	Repeats int     `json:"repeats"`
	About   string  `json:"about"`
	Target  *Target `json:"target,omitempty"`
	Reached string  `json:"reached,omitempty"`
	On      string  `json:"on"`
	At      string  `json:"at"`
}

// Target is what a figure is to be: at least, or else at most, the value.
type Target struct {
	Value   float64 `json:"value"`
	AtLeast bool    `json:"atLeast"`
}

func atLeast(v float64) *Target { return &Target{v, true} }
func atMost(v float64) *Target  { return &Target{v, false} }

// reached says whether a value meets the target, or misses it by no more than the
// spread.
func (t Target) reached(value, spread float64) string {
	sign := 1.0
	if !t.AtLeast {
		sign = -1
	}
	switch over := sign * (value - t.Value); {
	case over >= 0:
		return "yes"
	case over+spread >= 0:
		return "within the spread"
	default:
		return "no"
	}
}

func (t Target) String() string {
	if t.AtLeast {
		return "≥ " + number(t.Value)
	}
	return "≤ " + number(t.Value)
}

// mergeResults puts new results in the place of those of the same names.
func mergeResults(old, fresh []Result) []Result {
	out := slices.Clone(old)
	for _, r := range fresh {
		if at := slices.IndexFunc(out, func(o Result) bool { return o.Name == r.Name }); at >= 0 {
			out[at] = r
		} else {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b Result) int { return strings.Compare(group(a.Name), group(b.Name)) })
	return out
}

// group is the first two words of a name: the part, and what was measured.
func group(name string) string {
	words := strings.SplitN(name, ".", 3)
	return strings.Join(words[:min(2, len(words))], ".")
}

// Save replaces in the file the results of the same names, and leaves the others.
func Save(path string, fresh []Result) error {
	var old []Result
	content, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("read the results so far: %w", err)
	default:
		if err := json.Unmarshal(content, &old); err != nil {
			return fmt.Errorf("read the results so far in %s: %w (remove it to begin anew)", path, err)
		}
	}
	out, err := json.MarshalIndent(mergeResults(old, fresh), "", "  ")
	if err != nil {
		return fmt.Errorf("encode the results: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make the folder of the results: %w", err)
	}
	return os.WriteFile(path, append(out, '\n'), 0o644)
}
