// Package config turns flags, environment and a YAML file into one validated
// struct: a migration.Spec for the starter, a Worker for the worker. A flag wins
// over the environment, the environment over the file. The keys are the same
// everywhere: --ready-lag, MONGOFERRY_READY_LAG, ready-lag.
package config

import (
	"errors"
	"fmt"
	"strings"
)

// Lookup finds an environment variable, as os.LookupEnv does.
type Lookup func(name string) (value string, ok bool)

// UsageError says that what was given is malformed, as opposed to well-formed
// but refused.
type UsageError struct{ Err error }

// Error is the text of the cause.
func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *UsageError) Unwrap() error { return e.Err }

func usagef(format string, args ...any) error {
	return &UsageError{fmt.Errorf(format, args...)}
}

// IsUsage says whether the command was used wrongly.
func IsUsage(err error) bool {
	var u *UsageError
	return errors.As(err, &u)
}

// envName is the environment variable of a key.
func envName(key string) string {
	return "MONGOFERRY_" + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
}
