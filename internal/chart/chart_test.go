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
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"a &lt; b", "10 TB", "1 M", "the limit", "<polyline", "<circle", "prefers-color-scheme:dark"} {
		if !strings.Contains(svg, want) {
			t.Errorf("%q is not in it", want)
		}
	}
	if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") || strings.Contains(svg, `="-`) {
		t.Errorf("something is outside: %s", svg)
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
