package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"mongoferry/internal/migration"
)

// renderStatus writes the status for people.
func renderStatus(w io.Writer, s migration.Status, now time.Time) {
	rows := [][]string{
		{"migration", s.ID},
		{"phase", phaseText(s)},
		{"source", clusterText(s.Source)},
		{"destination", clusterText(s.Destination)},
		{"copy", copyText(s.Copy)},
	}
	if !s.Replication.LastAppliedOpTime.IsZero() {
		rows = append(rows, []string{"replication", replicationText(s.Replication)})
	}
	if !s.Phase.Ended() {
		rows = append(rows, []string{"pace", s.Pace.String()})
	}
	rows = append(rows, cutoverRows(s.Cutover, now)...)
	if s.Error != "" {
		rows = append(rows, []string{"error", s.Error})
	}
	for _, x := range s.Cutover.UnsuccessfulIndexes {
		rows = append(rows, []string{"index", fmt.Sprintf("%s of %s is %s: %s", x.IndexName, x.Namespace, x.Type, x.Reason)})
	}
	if more := s.Cutover.UnsuccessfulIndexesOmitted; more > 0 {
		rows = append(rows, []string{"index", fmt.Sprintf("and %d more: the worker's log names them", more)})
	}
	for _, text := range s.Warnings {
		rows = append(rows, []string{"warning", text})
	}
	for _, n := range s.Notices {
		rows = append(rows, []string{"notice", n.At + " " + n.Message})
	}
	rows = append(rows, []string{"as of", s.UpdatedAt})
	table(w, rows)
}

func phaseText(s migration.Status) string {
	if s.Paused {
		return string(s.Phase) + " (paused)"
	}
	return string(s.Phase)
}

func clusterText(c migration.ClusterStatus) string {
	parts := []string{c.URI}
	for _, part := range []string{c.Version, c.Topology} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if c.WritesBlocked {
		parts = append(parts, "(writes blocked)")
	}
	return strings.Join(parts, " ")
}

func copyText(c migration.CopyStatus) string {
	text := fmt.Sprintf("%d of %d documents, %s of %s, %d of %d namespaces, %d of %d indexes",
		c.Documents.Copied, c.Documents.Total, byteText(c.Bytes.Copied), byteText(c.Bytes.Total),
		c.NamespacesCompleted, c.Namespaces, c.Indexes.Built, c.Indexes.Total)
	if c.ETASeconds > 0 {
		text += fmt.Sprintf(", about %s left", time.Duration(c.ETASeconds)*time.Second)
	}
	return text
}

func replicationText(r migration.ReplicationStatus) string {
	text := fmt.Sprintf("lag %d s, %d changes applied, %d/s", r.LagSeconds, r.EventsApplied, r.EventsPerSecond)
	if r.OplogWindowSeconds > 0 {
		text += fmt.Sprintf(", the oplog reaches back %s", time.Duration(r.OplogWindowSeconds)*time.Second)
	}
	if r.OplogRemainingSeconds > 0 {
		text += fmt.Sprintf(" and holds the position for about %s", time.Duration(r.OplogRemainingSeconds)*time.Second)
	}
	switch {
	case r.ETASeconds > 0:
		text += fmt.Sprintf(", caught up in about %s", time.Duration(r.ETASeconds)*time.Second)
	case r.ETASeconds == migration.Unknown:
		text += ", the source writes faster than changes are applied"
	}
	return text
}

func cutoverRows(c migration.CutoverStatus, now time.Time) [][]string {
	var rows [][]string
	switch {
	case c.WritesAcceptedAt != "":
		rows = append(rows, []string{"cutover", "the destination accepts writes since " + c.WritesAcceptedAt})
	case c.Allowed:
		rows = append(rows, []string{"cutover", "possible"})
	default:
		rows = append(rows, []string{"cutover", "not now: " + strings.Join(c.Reasons, "; ")})
	}
	if deadline, err := time.Parse(time.RFC3339, c.Deadline); err == nil && c.WritesAcceptedAt == "" {
		text := fmt.Sprintf("until %s", c.Deadline)
		if left := deadline.Sub(now).Round(time.Minute); left > 0 {
			text += fmt.Sprintf(", %s left", strings.TrimSuffix(left.String(), "0s"))
		}
		if c.Extensions > 0 {
			text += fmt.Sprintf(", extensions: %d", c.Extensions)
		}
		rows = append(rows, []string{"", text})
	}
	return rows
}

// renderLine is the status in a line, for watching.
func renderLine(s migration.Status) string {
	parts := []string{s.ID, phaseText(s)}
	switch {
	case s.Phase == migration.Copying || s.Copy.Documents.Total > 0 && !s.Copy.Completed:
		parts = append(parts, fmt.Sprintf("%d of %d documents, %s of %s, %d of %d indexes", s.Copy.Documents.Copied, s.Copy.Documents.Total,
			byteText(s.Copy.Bytes.Copied), byteText(s.Copy.Bytes.Total), s.Copy.Indexes.Built, s.Copy.Indexes.Total))
	case s.Phase.Syncing() || s.Phase == migration.CuttingOver:
		parts = append(parts, fmt.Sprintf("lag %d s", s.Replication.LagSeconds),
			fmt.Sprintf("%d changes applied", s.Replication.EventsApplied))
	}
	if s.Error != "" {
		parts = append(parts, s.Error)
	}
	return strings.Join(parts, "  ")
}

// byteText prints bytes with three digits or so.
func byteText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, prefix := float64(n)/unit, 0
	for value >= unit && prefix < 4 {
		value /= unit
		prefix++
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[prefix])
}
