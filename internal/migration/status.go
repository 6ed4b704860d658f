package migration

// Status is the status document: what `starter status -o json` prints and what
// the query "status" returns. Its keys are stable. Times are RFC 3339 in UTC,
// or "" when not known.
type Status struct {
	ID           string             `json:"id"`
	Phase        Phase              `json:"phase"`
	Paused       bool               `json:"paused"`
	Pace         Pace               `json:"pace"`
	Error        string             `json:"error"`
	Notices      []Notice           `json:"notices"`
	Warnings     []string           `json:"warnings"`
	Source       ClusterStatus      `json:"source"`
	Destination  ClusterStatus      `json:"destination"`
	StartedAt    string             `json:"startedAt"`
	UpdatedAt    string             `json:"updatedAt"`
	Copy         CopyStatus         `json:"copy"`
	InitialSync  InitialSyncStatus  `json:"initialSync"`
	Replication  ReplicationStatus  `json:"replication"`
	Verification VerificationStatus `json:"verification"`
	Cutover      CutoverStatus      `json:"cutover"`
}

// Clear marks the document as safe to travel unsealed: it holds names and
// counts, never documents or passwords.
func (Status) Clear() {}

// Notice is something that happened which the operator should read.
type Notice struct {
	At      string `json:"at"`
	Message string `json:"message"`
}

// ClusterStatus describes one side.
type ClusterStatus struct {
	URI     string `json:"uri"`
	Version string `json:"version"`
	// FCV is the feature compatibility version that the migration began with, and
	// that must stay.
	FCV           string `json:"featureCompatibilityVersion,omitempty"`
	Topology      string `json:"topology"`
	WritesBlocked bool   `json:"writesBlocked"`
}

// Count is progress: how many of how many.
type Count struct {
	Copied int64 `json:"copied"`
	Total  int64 `json:"total"`
}

// BuiltCount is progress of index builds.
type BuiltCount struct {
	Built int64 `json:"built"`
	Total int64 `json:"total"`
}

// CopyStatus is the progress of the initial sync's copy. Bytes are BSON bytes
// before compression.
type CopyStatus struct {
	Completed           bool       `json:"completed"`
	Namespaces          int64      `json:"namespaces"`
	NamespacesCompleted int64      `json:"namespacesCompleted"`
	Documents           Count      `json:"documents"`
	Bytes               Count      `json:"bytes"`
	Indexes             BuiltCount `json:"indexes"`
	ETASeconds          int64      `json:"etaSeconds"`
}

// Add counts what was copied. The totals are estimates of before the copy: they
// grow with what turns out to be more.
func (c *CopyStatus) Add(news Copied) {
	c.Documents.Copied += news.Documents
	c.Bytes.Copied += news.Bytes
	c.Documents.Total = max(c.Documents.Total, c.Documents.Copied)
	c.Bytes.Total = max(c.Bytes.Total, c.Bytes.Copied)
}

// InitialSyncStatus says whether the copy and the changes made during it are on
// the destination.
type InitialSyncStatus struct {
	Completed bool `json:"completed"`
}

// ReplicationStatus is the progress of the continuous sync. Every change up to
// LastAppliedOpTime is durable on the destination. OplogRemainingSeconds is how long
// the source's oplog holds the position at the present rate, 0 when not known;
// ETASeconds how long the catching up takes, 0 when nothing is left or it was not
// measured yet, Unknown when the source writes faster than changes are applied.
type ReplicationStatus struct {
	LastAppliedOpTime     OpTime `json:"lastAppliedOpTime"`
	LagSeconds            int64  `json:"lagSeconds"`
	EventsRead            int64  `json:"eventsRead"`
	EventsApplied         int64  `json:"eventsApplied"`
	EventsPerSecond       int64  `json:"eventsPerSecond"`
	OplogWindowSeconds    int64  `json:"oplogWindowSeconds"`
	OplogRemainingSeconds int64  `json:"oplogRemainingSeconds"`
	ETASeconds            int64  `json:"etaSeconds"`
}

// SetWindow takes in a look at the oplog.
func (r *ReplicationStatus) SetWindow(w OplogWindow) {
	r.OplogWindowSeconds, r.OplogRemainingSeconds = w.Seconds, w.RemainingSeconds
}

// VerificationStatus tells what the comparison of both sides found.
type VerificationStatus struct {
	State      string   `json:"state"`
	Documents  int64    `json:"documents"`
	Mismatches int64    `json:"mismatches"`
	Samples    []string `json:"samples"`
}

// CutoverStatus tells whether and when the migration can be, or was, cut over.
type CutoverStatus struct {
	Allowed             bool                `json:"allowed"`
	Reasons             []string            `json:"reasons"`
	Deadline            string              `json:"deadline"`
	Extensions          int                 `json:"extensions"`
	StartedAt           string              `json:"startedAt"`
	WritesAcceptedAt    string              `json:"writesAcceptedAt"`
	CompletedAt         string              `json:"completedAt"`
	UnsuccessfulIndexes []UnsuccessfulIndex `json:"unsuccessfulIndexes"`
	// UnsuccessfulIndexesOmitted counts those beyond the list; the worker's log names
	// them.
	UnsuccessfulIndexesOmitted int `json:"unsuccessfulIndexesOmitted,omitempty"`
}

// UnsuccessfulIndex names an index that is not on the destination as it is on
// the source. Type is failed, incomplete or inconsistent; Keys is the key
// pattern as extended JSON in an object.
type UnsuccessfulIndex struct {
	Namespace string         `json:"namespace"`
	IndexName string         `json:"indexName"`
	Type      string         `json:"type"`
	Keys      map[string]any `json:"keys"`
	Reason    string         `json:"reason"`
}
