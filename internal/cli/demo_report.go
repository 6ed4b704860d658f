package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"mongoferry/internal/demo"
	"mongoferry/internal/migration"
)

// demoResult is what the demo ends with. Seconds are those of the migration, from
// its start to its completion.
type demoResult struct {
	Identical                 bool    `json:"identical"`
	Documents                 int64   `json:"documents"`
	Bytes                     int64   `json:"bytes"`
	Events                    int64   `json:"events"`
	MaxLagSeconds             int64   `json:"maxLagSeconds"`
	RefusedWritesMilliseconds int64   `json:"refusedWritesMilliseconds"`
	Seconds                   float64 `json:"seconds"`
}

// say tells what happens; it is no part of the result.
func (a *App) say(format string, args ...any) {
	if a.output == "json" {
		a.note(format, args...)
		return
	}
	_, _ = fmt.Fprintln(a.Out, migration.Redact(fmt.Sprintf(format, args...))) // the report's writing fails too
}

func (d *demonstration) report(final migration.Status, writing demo.Writing, differences []string) error {
	r := demoResult{
		Identical: len(differences) == 0,
		Documents: final.Copy.Documents.Copied, Bytes: final.Copy.Bytes.Copied, Events: final.Replication.EventsApplied,
		MaxLagSeconds: d.maxLag, RefusedWritesMilliseconds: writing.Refused.Milliseconds(), Seconds: d.took.Round(100 * time.Millisecond).Seconds(),
	}
	if d.app.output == "json" {
		for _, text := range differences {
			d.app.note("difference: %s", text)
		}
		return d.app.printLine(r)
	}
	return d.app.print(r, func(w io.Writer) { r.render(w, writing, differences) })
}

func (r demoResult) render(w io.Writer, writing demo.Writing, differences []string) {
	seconds := strconv.FormatFloat(r.Seconds, 'f', 1, 64)
	rows := [][]string{
		{"moved", fmt.Sprintf("%d documents, %s, and %d changes while %d writes came in", r.Documents, byteText(r.Bytes), r.Events, writing.Acknowledged)},
		{"took", fmt.Sprintf("%s s from start to completed, the shown sync of %s among it", seconds, demoSync)},
		{"largest lag", fmt.Sprintf("%d s", r.MaxLagSeconds)},
		{"writes refused for", fmt.Sprintf("%d ms", r.RefusedWritesMilliseconds)},
	}
	verdict := "identical: documents, options and indexes of every collection; no acknowledged write lost"
	if !r.Identical {
		verdict = "NOT IDENTICAL"
	}
	rows = append(rows, []string{"both sides are", verdict})
	for _, text := range differences {
		rows = append(rows, []string{"difference", text})
	}
	table(w, rows)
}

// keep leaves everything running until Ctrl-C.
func (d *demonstration) keep(ctx context.Context) {
	d.app.say("kept running until Ctrl-C: source %s destination %s Temporal UI %s",
		d.servers.source.URI(), d.servers.destination.URI(), d.link(ctx, demoID))
	<-ctx.Done()
}
