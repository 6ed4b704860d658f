package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"mongoferry/internal/migration"
)

const (
	// memoEvery bounds how often the memo is written between phase changes.
	memoEvery = time.Minute
	// maxNotices keeps the status document small; the history has them all.
	maxNotices = 50
	// shownNotices are the last ones that memo and Temporal UI show.
	shownNotices = 5
	// shownIndexes are the unsuccessful ones that the memo shows.
	shownIndexes = 5
)

// Search attributes; see migration.AttributePhase and the others.
var (
	attributePhase       = temporal.NewSearchAttributeKeyKeyword(migration.AttributePhase)
	attributeSource      = temporal.NewSearchAttributeKeyKeyword(migration.AttributeSource)
	attributeDestination = temporal.NewSearchAttributeKeyKeyword(migration.AttributeDestination)
	attributeLag         = temporal.NewSearchAttributeKeyInt64(migration.AttributeLagSeconds)
)

// status answers the query: the document, with what follows from the state.
func (m *run) status() (migration.Status, error) {
	s := m.Status
	s.Cutover.Allowed = true
	s.Cutover.Reasons = []string{}
	if r := m.refuse(message{name: migration.MessageCutover}); r != nil {
		s.Cutover.Allowed = false
		s.Cutover.Reasons = append(s.Cutover.Reasons, r.Text)
	}
	s.Cutover.Deadline = stamp(m.Timer.Deadline)
	return s, nil
}

// enter moves to a phase and shows it everywhere.
func (m *run) enter(ctx workflow.Context, phase migration.Phase) {
	m.Status.Phase = phase
	if phase == migration.Ready {
		m.startTimer(ctx)
	}
	if phase == migration.Completed {
		m.Status.Cutover.CompletedAt = stamp(workflow.Now(ctx))
	}
	workflow.GetLogger(ctx).Info("phase", "migration_id", m.spec.ID, "phase", string(phase))
	m.publish(ctx)
}

// notice tells the operator something, in the status and in the log.
func (m *run) notice(ctx workflow.Context, format string, args ...any) {
	text := migration.Redact(fmt.Sprintf(format, args...))
	workflow.GetLogger(ctx).Warn(text, "migration_id", m.spec.ID, "phase", string(m.Status.Phase))
	m.Status.Notices = append(m.Status.Notices, migration.Notice{At: stamp(workflow.Now(ctx)), Message: text})
	if extra := len(m.Status.Notices) - maxNotices; extra > 0 {
		m.Status.Notices = m.Status.Notices[extra:]
	}
	m.publish(ctx)
}

// touch notes that the status has changed; the memo follows at most once a
// minute.
func (m *run) touch(ctx workflow.Context) {
	now := workflow.Now(ctx)
	m.Status.UpdatedAt = stamp(now)
	if now.Sub(m.MemoAt) >= memoEvery {
		m.publish(ctx)
	}
}

// publish writes memo, search attributes and the details that the Temporal UI
// shows.
func (m *run) publish(ctx workflow.Context) {
	now := workflow.Now(ctx)
	m.Status.UpdatedAt = stamp(now)
	m.MemoAt = now
	doc, _ := m.status() // the projection has no failing part
	workflow.SetCurrentDetails(ctx, details(doc))
	log := workflow.GetLogger(ctx)
	memo := doc
	memo.Notices = doc.Notices[max(0, len(doc.Notices)-shownNotices):]
	memo.Cutover.UnsuccessfulIndexes = doc.Cutover.UnsuccessfulIndexes[:min(len(doc.Cutover.UnsuccessfulIndexes), shownIndexes)]
	if err := workflow.UpsertMemo(ctx, map[string]any{migration.MemoStatus: memo}); err != nil {
		log.Error("write the memo", "migration_id", m.spec.ID, "error", err)
	}
	if !m.SearchAttributes {
		return
	}
	err := workflow.UpsertTypedSearchAttributes(ctx,
		attributePhase.ValueSet(string(doc.Phase)),
		attributeSource.ValueSet(doc.Source.URI),
		attributeDestination.ValueSet(doc.Destination.URI),
		attributeLag.ValueSet(doc.Replication.LagSeconds))
	if err != nil {
		log.Error("write the search attributes", "migration_id", m.spec.ID, "error", err)
	}
}

// details is the status as Markdown for the Temporal UI.
func details(s migration.Status) string {
	paused := ""
	if s.Paused {
		paused = " (paused)"
	}
	lines := []string{
		fmt.Sprintf("### %s%s", s.Phase, paused),
		"",
		"| | |", "|---|---|",
		fmt.Sprintf("| from | `%s` %s |", s.Source.URI, s.Source.Version),
		fmt.Sprintf("| to | `%s` %s |", s.Destination.URI, s.Destination.Version),
		fmt.Sprintf("| copied | %d of %d documents, %d of %d namespaces |",
			s.Copy.Documents.Copied, s.Copy.Documents.Total, s.Copy.NamespacesCompleted, s.Copy.Namespaces),
		fmt.Sprintf("| indexes | %d of %d |", s.Copy.Indexes.Built, s.Copy.Indexes.Total),
		fmt.Sprintf("| lag | %d s |", s.Replication.LagSeconds),
		fmt.Sprintf("| pace | %s |", s.Pace),
	}
	if s.Cutover.Deadline != "" {
		lines = append(lines, fmt.Sprintf("| cutover before | %s |", s.Cutover.Deadline))
	}
	if s.Error != "" {
		lines = append(lines, "", "**"+s.Error+"**")
	}
	lines = append(lines, "")
	for i := len(s.Notices) - 1; i >= max(0, len(s.Notices)-shownNotices); i-- {
		lines = append(lines, "- "+s.Notices[i].At+" "+s.Notices[i].Message)
	}
	return strings.Join(lines, "\n")
}
