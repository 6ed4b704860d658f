package activities

import (
	"errors"

	"go.temporal.io/sdk/temporal"

	"mongoferry/internal/migration"
)

// asApplication gives an engine's error the form that Temporal understands: the
// type is the kind of the fault, terminal kinds are not retried, and no password
// is in the text. It is the one place where this mapping is made.
func asApplication(err error) error {
	if err == nil {
		return nil
	}
	var fault *migration.Fault
	if !errors.As(err, &fault) {
		return temporal.NewApplicationError(migration.Redact(err.Error()), "")
	}
	text := migration.Redact(err.Error())
	if fault.Kind.Terminal() {
		return temporal.NewNonRetryableApplicationError(text, string(fault.Kind), nil)
	}
	return temporal.NewApplicationError(text, string(fault.Kind))
}
