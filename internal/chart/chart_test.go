package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// TestSVG: a picture is well-formed, small, the same each time, and holds every point
// within its frame.
func TestSVG(t *testing.T) {
	t.Parallel()
	c := Chart{
		Title: "a < b", XLabel: "data", YLabel: "events", X: GB, Y: Count, Limit: 51_200, LimitName: "the limit",
		Series: []Series{
			{Name: "reckoned", Points: []Point{{1, 100}, {10, 600}, {10_000, 480_000}}},
			{Name: "measured", Points: []Point{{1, 90}}, Marks: true},
		},
	}
	svg := c.SVG()
	if svg != c.SVG() {
		t.Error("drawn again it is another")
	}
	if len(svg) > 30<<10 {
		t.Errorf("%d bytes", len(svg))
	}
	wellFormed(t, svg)
	for _, want := range []string{"a &lt; b", "10 TB", "1 M", "the limit", "<polyline", "<circle", "prefers-color-scheme:dark"} {
		if !strings.Contains(svg, want) {
			t.Errorf("%q is not in it", want)
		}
	}
}

// wellFormed wants XML without coordinates outside of the frame.
func wellFormed(t *testing.T, svg string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") || strings.Contains(svg, `="-`) {
		t.Errorf("something is outside: %s", svg)
	}
}

// TestBars: each group has its own scale, and a figure that is missing no bar.
func TestBars(t *testing.T) {
	t.Parallel()
	svg := Bars{
		Title: "a < b", Kinds: []string{"this", "that"}, Value: Count,
		Groups: []Group{{"large", []Bar{{2_000_000, 10_000}, {1_000_000, 0}}}, {"small", []Bar{{0, 0}, {5, 1}}}},
	}.SVG()
	wellFormed(t, svg)
	if n := strings.Count(svg, `height="16"`); n != 3 {
		t.Errorf("%d bars, want 3: %s", n, svg)
	}
	for _, want := range []string{"a &lt; b", "2 M", "1 M", "large", "this", "that"} {
		if !strings.Contains(svg, want) {
			t.Errorf("%q is not in it", want)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ got, want string }{
		{Count(1000), "1 k"}, {Count(0.5), "0.5"}, {Count(2_500_000), "2.5 M"}, {GB(10), "10 GB"}, {GB(10_000), "10 TB"},
		{MB(1000), "1 GB"}, {Seconds(0.01), "10 ms"}, {Seconds(10), "10 s"},
	} {
		if tc.got != tc.want {
			t.Errorf("got %q, want %q", tc.got, tc.want)
		}
	}
}
