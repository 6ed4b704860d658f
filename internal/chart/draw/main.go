// Draw makes the pictures of docs/performance.md from the results in bench/results.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"mongoferry/internal/chart"
	"mongoferry/internal/growth"
)

const picturesDir = "docs/performance"

func main() {
	if err := draw(); err != nil {
		fmt.Fprintln(os.Stderr, "draw:", err)
		os.Exit(1)
	}
}

// picture is a chart of any kind.
type picture interface{ SVG() string }

func draw() error {
	played, err := read("bench/results/growth.json", "make growth")
	if err != nil {
		return err
	}
	timed, err := read("bench/results/latest.json", "make bench")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(picturesDir, 0o755); err != nil {
		return err
	}
	for name, p := range map[string]picture{
		"events-by-data":        byData(played),
		"events-by-collections": byCollections(played),
		"events-by-ready":       byReady(played),
		"catalog-map":           catalogMap(played),
		"copy":                  copies(timed),
		"replay":                replays(timed),
		"workers":               workers(timed),
	} {
		if err := os.WriteFile(filepath.Join(picturesDir, name+".svg"), []byte(p.SVG()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// result is one figure as the benchmarks keep it.
type result struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Spread float64 `json:"spread"`
}

func read(path, writer string) (found []result, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the results (%s writes them): %w", writer, err)
	}
	if err := json.Unmarshal(content, &found); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return found, nil
}

// measured gives a figure of every scene whose name ends in a word: the number before
// that word is x.
func measured(found []result, scene, what string) (points []chart.Point) {
	for _, r := range found {
		name, ok := strings.CutPrefix(r.Name, "growth.")
		if !ok {
			continue
		}
		name, ok = strings.CutSuffix(name, "."+what)
		if !ok {
			continue
		}
		text, ok := strings.CutSuffix(name, " "+scene)
		x, err := strconv.ParseFloat(strings.ReplaceAll(text, ",", ""), 64)
		if ok && err == nil && r.Value > 0 {
			points = append(points, chart.Point{X: x, Y: r.Value})
		}
	}
	return points
}

// reckoned gives what the reckoning says for each x.
func reckoned(xs []float64, of func(x float64) growth.Cost, y func(growth.Cost) float64) (points []chart.Point) {
	for _, x := range xs {
		points = append(points, chart.Point{X: x, Y: y(of(x))})
	}
	return points
}

func events(c growth.Cost) float64       { return float64(c.Events) }
func eventsOfARun(c growth.Cost) float64 { return float64(min(c.Events, growth.SuggestEvents)) }

// scaled gives points with another unit of x or y.
func scaled(points []chart.Point, x, y float64) []chart.Point {
	out := make([]chart.Point, len(points))
	for i, p := range points {
		out[i] = chart.Point{X: p.X * x, Y: p.Y * y}
	}
	return out
}

// byEvents is a chart of the events of migrations that grow along xs, reckoned and
// played.
func byEvents(c chart.Chart, xs []float64, of func(float64) growth.Cost, played chart.Series) chart.Chart {
	c.YLabel, c.Y, c.Limit, c.LimitName = "events", chart.Count, growth.MaxEvents, "a single history ends here"
	played.Marks = true
	c.Series = []chart.Series{
		{Name: "all runs, at most", Points: reckoned(xs, of, events)},
		{Name: "largest run", Points: reckoned(xs, of, eventsOfARun)},
		played,
	}
	return c
}

func byData(found []result) chart.Chart {
	of := func(gb float64) growth.Cost {
		return growth.Migration{Bytes: int64(gb * (1 << 30)), Collections: 1}.Cost()
	}
	played := append(measured(found, "GB", "events"), scaled(measured(found, "TB", "events"), 1024, 1)...)
	return byEvents(chart.Chart{
		Title: "Events in Temporal by the data to copy", XLabel: "data to copy, before compression", X: chart.GB,
	}, []float64{1, 3, 10, 30, 100, 300, 1000, 3000, 10_000}, of, chart.Series{Name: "all runs, played", Points: played})
}

func byCollections(found []result) chart.Chart {
	of := func(n float64) growth.Cost {
		return growth.Migration{Collections: int(n), Indexed: int(n)}.Cost()
	}
	return byEvents(chart.Chart{
		Title: "Events in Temporal by the number of small collections", XLabel: "collections, each with indexes", X: chart.Count,
	}, []float64{1000, 10_000, 100_000, 1_000_000}, of,
		chart.Series{Name: "all runs, played", Points: measured(found, "collections", "events")})
}

func byReady(found []result) chart.Chart {
	of := func(hours float64) growth.Cost {
		return growth.Migration{Collections: 1, Ready: time.Duration(hours * float64(time.Hour))}.Cost()
	}
	return byEvents(chart.Chart{
		Title: "Events in Temporal by the time in ready", XLabel: "hours in phase ready", X: chart.Count,
	}, []float64{1, 3, 12, 24, 48, 120, 1000}, of,
		chart.Series{Name: "played without looks", Points: measured(found, "h ready", "events")})
}

func catalogMap(found []result) chart.Chart {
	return chart.Chart{
		Title: "Reading the catalog map", XLabel: "collections in the map", YLabel: "time", X: chart.Count, Y: chart.Seconds,
		Series: []chart.Series{
			{Name: "the whole map", Points: measured(found, "entries", "load")},
			{Name: "a unit's 200 entries", Points: measured(found, "entries", "load of 200")},
		},
	}
}
