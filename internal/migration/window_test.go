package migration

import "testing"

// TestEndangered: the warning comes at twice what is needed, again at half of what
// remained, and never where nothing is known.
func TestEndangered(t *testing.T) {
	t.Parallel()
	const day = 24 * anHour
	for name, c := range map[string]struct {
		window         OplogWindow
		needed, warned int64
		want           bool
	}{
		"enough":                      {OplogWindow{FullSeconds: day, RemainingSeconds: 2000}, 1000, 0, false},
		"less than twice":             {OplogWindow{FullSeconds: day, RemainingSeconds: 1999}, 1000, 0, true},
		"told already":                {OplogWindow{FullSeconds: day, RemainingSeconds: 1998}, 1000, 1999, false},
		"half of what was told":       {OplogWindow{FullSeconds: day, RemainingSeconds: 999}, 1000, 1999, true},
		"nothing is needed":           {OplogWindow{FullSeconds: 60, RemainingSeconds: 50}, 0, 0, false},
		"unknown, half of the window": {OplogWindow{FullSeconds: day, RemainingSeconds: day/2 - 1}, Unknown, 0, true},
		"unknown, more than half":     {OplogWindow{FullSeconds: day, RemainingSeconds: day / 2}, Unknown, 0, false},
		"unknown, under an hour":      {OplogWindow{FullSeconds: anHour, RemainingSeconds: anHour - 1}, Unknown, 0, true},
		"told at the last second":     {OplogWindow{FullSeconds: anHour, RemainingSeconds: 1}, Unknown, 1, false},
		"no rate yet":                 {OplogWindow{FullSeconds: 60, RemainingSeconds: 50, Young: true}, Unknown, 0, false},
		"not known":                   {OplogWindow{}, Unknown, 0, false},
		"may not be read":             {OplogWindow{Unreadable: true}, 1000, 0, false},
	} {
		if got := c.window.Endangered(c.needed, c.warned); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestCatchUpSeconds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lag   int64
		speed float64
		want  int64
	}{{0, 0, 0}, {100, 1, Unknown}, {100, 0.5, Unknown}, {100, 3, 51}, {100, 1.5, 201}} {
		if got := CatchUpSeconds(c.lag, c.speed); got != c.want {
			t.Errorf("a lag of %d s at %v: %d s, want %d", c.lag, c.speed, got, c.want)
		}
	}
}
