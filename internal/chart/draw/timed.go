package main

import "mongoferry/internal/chart"

// bar gives one figure, none when it was not measured.
func bar(found []result, name string) chart.Bar {
	for _, r := range found {
		if r.Name == name {
			return chart.Bar{Value: r.Value, Spread: r.Spread}
		}
	}
	return chart.Bar{}
}

// row is a group of a chart, and the beginning of the names of its figures.
type row struct{ title, prefix string }

func grouped(found []result, rows []row, figures ...string) (groups []chart.Group) {
	for _, r := range rows {
		g := chart.Group{Name: r.title}
		for _, f := range figures {
			g.Bars = append(g.Bars, bar(found, r.prefix+f))
		}
		groups = append(groups, g)
	}
	return groups
}

func copies(found []result) chart.Bars {
	return chart.Bars{
		Title: "Copy, documents a second", Value: chart.Count,
		Kinds: []string{"mongoferry", "inserted from memory", "read alone"},
		Groups: grouped(found, []row{
			{"2 million of 1 KB", "copy.1KB."}, {"3 million of 200 B", "copy.200B."}, {"20,000 of 50 KB", "copy.50KB."},
		}, "rate", "ceiling", "read"),
	}
}

func replays(found []result) chart.Bars {
	return chart.Bars{
		Title: "Catching up, events a second", Value: chart.Count,
		Kinds: []string{"mongoferry", "plain applier", "stream read alone"},
		Groups: grouped(found, []row{
			{"mixed", "replay.mixed."}, {"mixed, hot set", "replay.hot."}, {"updates, hot set", "replay.hot_updates."},
		}, "rate", "raw", "stream"),
	}
}

func workers(found []result) chart.Bars {
	return chart.Bars{
		Title: "Copy of 1 million documents of 1 KB, documents a second", Value: chart.Count,
		Kinds: []string{"loopback", "5 ms away", "50 ms away"},
		Groups: grouped(found, []row{
			{"1 worker", "workers.1."}, {"2 workers", "workers.2."}, {"4 workers", "workers.4."},
		}, "0ms.rate", "5ms.rate", "50ms.rate"),
	}
}
