package cli

import (
	"context"
	"fmt"
	"io"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"

	"github.com/spf13/cobra"
)

// happened is one thing that happened in a migration. Count is how many times
// in a row, until Until.
type happened struct {
	At    string `json:"at"`
	What  string `json:"what"`
	Text  string `json:"text"`
	Count int    `json:"count,omitempty"`
	Until string `json:"until,omitempty"`
}

func (a *App) historyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "history [ID]",
		Short: "Tells what happened: phases, notices, steps with their retries, messages",
		Args:  oneID,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, args, func(ctx context.Context, c *connection, id string) error {
				entries, err := c.story(ctx, id)
				if err != nil {
					return err
				}
				return a.print(entries, func(w io.Writer) { renderHistory(w, entries) })
			})
		},
	}
}

// story reads all runs of a migration, the first one first.
func (c *connection) story(ctx context.Context, id string) ([]happened, error) {
	d, err := c.describeMigration(ctx, id)
	if err != nil {
		return nil, err
	}
	var runs [][]*historypb.HistoryEvent
	for runID := d.GetWorkflowExecutionInfo().GetExecution().GetRunId(); runID != ""; {
		events, err := c.events(ctx, id, runID)
		if err != nil {
			if len(runs) > 0 && isNotFound(err) {
				break // beyond Temporal's retention
			}
			return nil, err
		}
		runs = append(runs, events)
		runID = events[0].GetWorkflowExecutionStartedEventAttributes().GetContinuedExecutionRunId()
	}
	slices.Reverse(runs)
	t := teller{steps: map[int64]string{}}
	for _, events := range runs {
		for _, e := range events {
			t.tell(e)
		}
	}
	return fold(t.entries), nil
}

func (c *connection) events(ctx context.Context, id, runID string) ([]*historypb.HistoryEvent, error) {
	var events []*historypb.HistoryEvent
	all := c.GetWorkflowHistory(ctx, id, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for all.HasNext() {
		e, err := all.Next()
		if err != nil {
			return nil, c.explain(fmt.Errorf("read the history of %s: %w", id, err))
		}
		events = append(events, e)
	}
	if len(events) == 0 {
		return nil, fmt.Errorf("the history of %s is empty", id)
	}
	return events, nil
}

// fold makes one entry of a row of entries that say the same.
func fold(entries []happened) []happened {
	folded := []happened{}
	for _, e := range entries {
		if n := len(folded); n > 0 && folded[n-1].What == e.What && folded[n-1].Text == e.Text {
			last := &folded[n-1]
			last.Count = max(last.Count, 1) + 1
			last.Until = e.At
			continue
		}
		folded = append(folded, e)
	}
	return folded
}

func renderHistory(w io.Writer, entries []happened) {
	var rows [][]string
	for _, e := range entries {
		text := e.Text
		if e.Count > 1 {
			text += fmt.Sprintf(" (%d times, until %s)", e.Count, e.Until)
		}
		rows = append(rows, []string{e.At, e.What, text})
	}
	table(w, rows)
}
