package chart

import (
	"fmt"
	"html"
	"strings"
)

// Bar is one figure of a group, with half of the distance between the smallest and the
// largest of what was measured as its spread.
type Bar struct{ Value, Spread float64 }

// Group is figures that are to be compared: one of each kind, 0 for none.
type Group struct {
	Name string
	Bars []Bar
}

// Bars is a picture of groups of figures of the same Kinds. Each group has a scale of
// its own: its longest bar takes the whole width.
type Bars struct {
	Title  string
	Kinds  []string
	Groups []Group
	Value  func(float64) string
}

const (
	barHeight, barGap, groupGap = 16, 4, 18
	barsLeft, barsRight         = 150, 96
)

// SVG draws the picture.
func (c Bars) SVG() string {
	tall := top + len(c.Groups)*groupGap + 34
	for _, g := range c.Groups {
		tall += g.count() * (barHeight + barGap)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img"><title>%s</title>%s`,
		width, tall, html.EscapeString(c.Title), style)
	text(&b, 12, 22, "start", "t", c.Title)
	at := top
	for _, g := range c.Groups {
		c.group(&b, g, at)
		at += g.count()*(barHeight+barGap) + groupGap
	}
	const each = 160
	for i, kind := range c.Kinds {
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="12" height="12" fill="%s"/>`, 12+i*each, tall-26, palette[i%len(palette)])
		text(&b, float64(30+i*each), float64(tall-16), "start", "", kind)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// count is how many bars a group has.
func (g Group) count() (n int) {
	for _, bar := range g.Bars {
		if bar.Value > 0 {
			n++
		}
	}
	return n
}

func (c Bars) group(b *strings.Builder, g Group, at int) {
	longest := 0.0
	for _, bar := range g.Bars {
		longest = max(longest, bar.Value+bar.Spread)
	}
	middle := float64(at) + float64(g.count()*(barHeight+barGap)-barGap)/2
	text(b, barsLeft-10, middle+4, "end", "", g.Name)
	for i, bar := range g.Bars {
		if bar.Value <= 0 {
			continue
		}
		scale := (width - barsLeft - barsRight) / longest
		long := bar.Value * scale
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`, barsLeft, at, long, barHeight, palette[i%len(palette)])
		fmt.Fprintf(b, `<line class="g" x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke-width="2"/>`,
			barsLeft+long-bar.Spread*scale, barsLeft+long+bar.Spread*scale, at+barHeight/2, at+barHeight/2)
		text(b, width-barsRight+8, float64(at+barHeight-4), "start", "", c.Value(bar.Value))
		at += barHeight + barGap
	}
}
