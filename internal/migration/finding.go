package migration

// Severity says what a finding means for the migration.
type Severity string

// Passed checks are listed too, so that an operator sees what was looked at.
const (
	Passed   Severity = "passed"
	Warning  Severity = "warning"
	Blocking Severity = "blocking"
)

// Finding is the outcome of one preflight check.
type Finding struct {
	Check     string   `json:"check"`
	Severity  Severity `json:"severity"`
	Namespace string   `json:"namespace,omitempty"`
	Message   string   `json:"message"`
	Fix       string   `json:"fix,omitempty"`
}

// HasBlocking says whether any finding blocks the migration.
func HasBlocking(findings []Finding) bool {
	for _, f := range findings {
		if f.Severity == Blocking {
			return true
		}
	}
	return false
}
