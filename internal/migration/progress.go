package migration

// Live is what an activity under way tells about itself: the second of its
// heartbeat details. The starter adds it to the status document, which the
// workflow brings up to date only between activities. A field is nil when the
// activity has nothing to do with it.
type Live struct {
	// Copied counts what this activity copied and the workflow does not know
	// of yet.
	Copied *Copied `json:"copied,omitempty"`
	// Replication replaces the status document's part, but for the counts of
	// events: those are of this activity alone.
	Replication *ReplicationStatus `json:"replication,omitempty"`
	// Window replaces what the status document says of the source's oplog.
	Window *OplogWindow `json:"window,omitempty"`
	// IndexesBuilt counts what the workflow does not know of yet.
	IndexesBuilt int64 `json:"indexesBuilt,omitempty"`
	// Trouble says what has been failing for a while and is tried again within the
	// activity; "" when nothing is.
	Trouble string `json:"trouble,omitempty"`
	// At is when this was true, RFC 3339.
	At string `json:"at"`
}

// Clear marks Live as safe to travel unsealed: it holds counts and times.
func (Live) Clear() {}

// Copied counts documents and their BSON bytes.
type Copied struct {
	Documents int64 `json:"documents"`
	Bytes     int64 `json:"bytes"`
}

// Plus is the sum.
func (c Copied) Plus(d Copied) Copied {
	return Copied{Documents: c.Documents + d.Documents, Bytes: c.Bytes + d.Bytes}
}

// Minus is the difference; it may be negative.
func (c Copied) Minus(d Copied) Copied {
	return Copied{Documents: c.Documents - d.Documents, Bytes: c.Bytes - d.Bytes}
}

// Validation is the result of the checks alone.
type Validation struct {
	Findings    []Finding     `json:"findings"`
	Source      ClusterStatus `json:"source"`
	Destination ClusterStatus `json:"destination"`
}

// Clear marks the result as safe to travel unsealed: it holds names and advice.
func (Validation) Clear() {}

// Names of the workflows, as Temporal shows them. Migrate is run under the
// migration's id; the others under the id with their name behind it.
const (
	WorkflowMigrate       = "Migrate"
	WorkflowValidate      = "Validate"
	WorkflowReleaseSource = "ReleaseSource"
	WorkflowCleanup       = "Cleanup"
)

// Search attributes, created by the worker where it may.
const (
	AttributePhase       = "MigrationPhase"       // Keyword
	AttributeSource      = "MigrationSource"      // Keyword
	AttributeDestination = "MigrationDestination" // Keyword
	AttributeLagSeconds  = "MigrationLagSeconds"  // Int
)

// Clearer is implemented by values that hold no secret and no customer data, so
// that they may travel unsealed and be read in the Temporal UI. Plain strings
// count as clear: nothing secret travels as one.
type Clearer interface{ Clear() }
