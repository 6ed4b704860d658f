// Package chart draws figures as small SVG pictures that can be read on a light and a
// dark page. The same figures give the same bytes.
package chart

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Point is one figure. On a logarithmic axis both must be above 0.
type Point struct{ X, Y float64 }

// Series is the figures of one kind. Marks draws them as dots, for what was measured;
// otherwise they are joined by a line, for what was reckoned.
type Series struct {
	Name   string
	Points []Point
	Marks  bool
}

// Chart is a picture: both axes are logarithmic, since things grow by factors. Limit,
// when above 0, is a line that must not be reached.
type Chart struct {
	Title, XLabel, YLabel string
	X, Y                  func(float64) string
	Series                []Series
	Limit                 float64
	LimitName             string
}

// The picture's size and its margins.
const (
	width, height            = 640, 360
	left, right, top, bottom = 78, 18, 40, 84
)

// palette can be told apart on both backgrounds.
var palette = []string{"#2f81f7", "#d2691e", "#2da44e", "#a371f7"}

const style = `<style>text{font:12px system-ui,sans-serif;fill:#57606a}.t{font-size:14px;font-weight:600;fill:#24292f}` +
	`.g{stroke:#d0d7de}@media(prefers-color-scheme:dark){text{fill:#8b949e}.t{fill:#e6edf3}.g{stroke:#30363d}}</style>`

// SVG draws the chart.
func (c Chart) SVG() string {
	x, y := axis{from: left, to: width - right}, axis{from: height - bottom, to: top}
	for _, s := range c.Series {
		for _, p := range s.Points {
			x.include(p.X)
			y.include(p.Y)
		}
	}
	if c.Limit > 0 {
		y.include(c.Limit)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img"><title>%s</title>%s`,
		width, height, html.EscapeString(c.Title), style)
	text(&b, left, 22, "start", "t", c.Title)
	for _, v := range y.ticks() {
		at := y.at(v)
		fmt.Fprintf(&b, `<line class="g" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, left, width-right, at, at)
		text(&b, left-8, at+4, "end", "", c.Y(v))
	}
	for _, v := range x.ticks() {
		at := x.at(v)
		fmt.Fprintf(&b, `<line class="g" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`, at, at, top, height-bottom)
		text(&b, at, height-bottom+18, "middle", "", c.X(v))
	}
	text(&b, (left+width-right)/2, height-bottom+38, "middle", "", c.XLabel)
	fmt.Fprintf(&b, `<text transform="translate(16 %d) rotate(-90)" text-anchor="middle">%s</text>`,
		(top+height-bottom)/2, html.EscapeString(c.YLabel))
	if c.Limit > 0 {
		at := y.at(c.Limit)
		fmt.Fprintf(&b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#cf222e" stroke-width="1.5" stroke-dasharray="6 4"/>`,
			left, width-right, at, at)
		text(&b, left+6, at+14, "start", "", c.LimitName)
	}
	for i, s := range c.Series {
		s.draw(&b, x, y, palette[i%len(palette)])
		legend(&b, i, s)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (s Series) draw(b *strings.Builder, x, y axis, color string) {
	if s.Marks {
		for _, p := range s.Points {
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`, x.at(p.X), y.at(p.Y), color)
		}
		return
	}
	points := make([]string, len(s.Points))
	for i, p := range s.Points {
		points[i] = fmt.Sprintf("%.1f,%.1f", x.at(p.X), y.at(p.Y))
	}
	fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>`, color, strings.Join(points, " "))
}

// legend puts the names side by side below the axis.
func legend(b *strings.Builder, i int, s Series) {
	const each = 180
	at := left + i*each
	if s.Marks {
		fmt.Fprintf(b, `<circle cx="%d" cy="%d" r="4" fill="%s"/>`, at+8, height-20, palette[i%len(palette)])
	} else {
		fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%d" y2="%d" stroke="%s" stroke-width="2"/>`,
			at, at+16, height-20, height-20, palette[i%len(palette)])
	}
	text(b, float64(at+22), height-16, "start", "", s.Name)
}

func text(b *strings.Builder, x, y float64, anchor, class, content string) {
	if class != "" {
		class = fmt.Sprintf(` class="%s"`, class)
	}
	fmt.Fprintf(b, `<text%s x="%.1f" y="%.1f" text-anchor="%s">%s</text>`, class, x, y, anchor, html.EscapeString(content))
}

// axis is logarithmic, from one power of ten to another.
type axis struct {
	from, to float64
	low, top float64 // exponents
	used     bool
}

func (a *axis) include(v float64) {
	e := math.Log10(v)
	low, top := math.Floor(e), math.Ceil(e)
	if !a.used {
		a.low, a.top, a.used = low, max(top, low+1), true
		return
	}
	a.low, a.top = min(a.low, low), max(a.top, top)
}

func (a axis) at(v float64) float64 {
	return a.from + (math.Log10(v)-a.low)/(a.top-a.low)*(a.to-a.from)
}

func (a axis) ticks() []float64 {
	var out []float64
	for e := a.low; e <= a.top; e++ {
		out = append(out, math.Pow(10, e))
	}
	return out
}

// Count writes a number with its thousands as k and millions as M.
func Count(v float64) string {
	switch {
	case v >= 1e6:
		return trim(v/1e6) + " M"
	case v >= 1e3:
		return trim(v/1e3) + " k"
	default:
		return trim(v)
	}
}

// GB writes a number of gigabytes.
func GB(v float64) string {
	if v >= 1000 {
		return trim(v/1000) + " TB"
	}
	return trim(v) + " GB"
}

// MB writes a number of megabytes.
func MB(v float64) string {
	if v >= 1000 {
		return trim(v/1000) + " GB"
	}
	return trim(v) + " MB"
}

// Seconds writes a time.
func Seconds(v float64) string {
	if v < 1 {
		return trim(v*1000) + " ms"
	}
	return trim(v) + " s"
}

func trim(v float64) string {
	text := fmt.Sprintf("%.3f", v)
	return strings.TrimRight(strings.TrimRight(text, "0"), ".")
}
