package bench

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"text/tabwriter"
)

// Table prints results, those with a target beside what they are to be.
func Table(w io.Writer, results []Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	last := ""
	_, _ = fmt.Fprintln(t, "\tMEDIAN\t±\tUNIT\tTARGET\tREACHED\tRUNS\tABOUT") // Flush tells
	for _, r := range results {
		if g := group(r.Name); g != last && last != "" {
			_, _ = fmt.Fprintln(t, "\t\t\t\t\t\t\t") // Flush tells
		}
		last = group(r.Name)
		target := ""
		if r.Target != nil {
			target = r.Target.String()
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", // Flush tells
			r.Name, number(r.Value), number(r.Spread), r.Unit, target, r.Reached, r.Repeats, r.About)
	}
	return t.Flush()
}

// number shows three digits that count, and whole numbers whole.
func number(v float64) string {
	if v == 0 {
		return "0"
	}
	if decimals := 2 - int(math.Floor(math.Log10(math.Abs(v)))); decimals > 0 && v != math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', min(decimals, 4), 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}
