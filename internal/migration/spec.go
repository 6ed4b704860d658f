package migration

import "time"

// SourceWrites says who stops the writes to the source at cutover.
type SourceWrites string

// The two ways: mongoferry blocks the writes itself, or the operator has
// stopped every application and mongoferry checks that.
const (
	BlockWrites   SourceWrites = "block"
	StoppedWrites SourceWrites = "stopped"
)

// Defaults of a Spec.
const (
	DefaultCutoverWindow  = 120 * time.Hour
	DefaultExtension      = 24 * time.Hour
	DefaultReadyLag       = 10 * time.Second
	DefaultCutoverTimeout = 60 * time.Second
	DefaultMetadataDB     = "mongoferry"
	// MaxCutoverLag is the lag above which a cutover is refused.
	MaxCutoverLag = 30 * time.Second
	// DefaultTaskQueue is the task queue of workers and starter.
	DefaultTaskQueue = "mongoferry"
)

// Endpoint says how to reach one cluster. URI may hold a password only inside
// a sealed payload; see URI. TLSCAFile is a path on the worker's machine.
type Endpoint struct {
	URI       string `json:"uri"`
	TLSCAFile string `json:"tlsCAFile,omitempty"`
}

// Address is the endpoint's connection string as a redacting type.
func (e Endpoint) Address() URI { return URI(e.URI) }

// String is the redacted form, so that no %v of a Spec shows a password.
func (e Endpoint) String() string { return e.Address().String() }

// GoString is the redacted form, for %#v.
func (e Endpoint) GoString() string { return e.Address().GoString() }

// Spec is what the operator asked for. It never changes while a migration runs.
type Spec struct {
	ID              string        `json:"id"`
	Source          Endpoint      `json:"source"`
	Destination     Endpoint      `json:"destination"`
	Include         []string      `json:"include,omitempty"`
	Exclude         []string      `json:"exclude,omitempty"`
	DropDestination bool          `json:"dropDestination,omitempty"`
	CutoverWindow   time.Duration `json:"cutoverWindow"`
	Extension       time.Duration `json:"extension"`
	ReadyLag        time.Duration `json:"readyLag"`
	CutoverTimeout  time.Duration `json:"cutoverTimeout"`
	SourceWrites    SourceWrites  `json:"sourceWrites"`
	TemporaryUsers  []string      `json:"temporaryUsers,omitempty"`
	MetadataDB      string        `json:"metadataDB"`
	// Pace is what the migration begins with; the status has what holds now.
	Pace Pace `json:"pace"`
}

// WithDefaults fills what the operator left out.
func (s Spec) WithDefaults() Spec {
	s.CutoverWindow = orDefault(s.CutoverWindow, DefaultCutoverWindow)
	s.Extension = orDefault(s.Extension, DefaultExtension)
	s.ReadyLag = orDefault(s.ReadyLag, DefaultReadyLag)
	s.CutoverTimeout = orDefault(s.CutoverTimeout, DefaultCutoverTimeout)
	s.SourceWrites = orDefault(s.SourceWrites, BlockWrites)
	s.MetadataDB = orDefault(s.MetadataDB, DefaultMetadataDB)
	s.Pace = s.Pace.WithDefaults()
	return s
}

func orDefault[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}
