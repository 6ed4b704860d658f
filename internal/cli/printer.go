package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// print gives a command's result: as JSON, or as text says it.
func (a *App) print(value any, text func(w io.Writer)) error {
	if a.output == "json" {
		encoder := json.NewEncoder(a.Out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return written(encoder.Encode(value))
	}
	var b strings.Builder
	text(&b)
	_, err := io.WriteString(a.Out, b.String())
	return written(err)
}

// printLine gives one of a stream of results, as JSON on one line.
func (a *App) printLine(value any) error {
	encoder := json.NewEncoder(a.Out)
	encoder.SetEscapeHTML(false)
	return written(encoder.Encode(value))
}

func written(err error) error {
	if err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}

// table writes rows in columns that line up. It writes to memory, which does not
// fail.
func table(w io.Writer, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		_, _ = fmt.Fprintln(t, strings.TrimRight(strings.Join(row, "\t"), "\t "))
	}
	_ = t.Flush()
}

// liveLine is one line of a terminal that changes.
type liveLine struct {
	out  io.Writer
	used bool
}

const liveWidth = 110

func (l *liveLine) show(text string) {
	if runes := []rune(text); len(runes) > liveWidth {
		text = string(runes[:liveWidth-1]) + "…"
	}
	l.used = true
	_, _ = fmt.Fprintf(l.out, "\r\x1b[K%s", text) // what cannot be shown is not missed
}

// end leaves the last text standing.
func (l *liveLine) end() {
	if l.used {
		_, _ = fmt.Fprintln(l.out)
		l.used = false
	}
}
