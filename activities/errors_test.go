package activities

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.temporal.io/sdk/temporal"

	"mongoferry/internal/migration"
)

func TestAsApplication(t *testing.T) {
	t.Parallel()
	if asApplication(nil) != nil {
		t.Error("no error became one")
	}
	cases := []struct {
		err      error
		kind     migration.FaultKind
		repeated bool
	}{
		{errors.New("mongodb://u:hunter2@h/ does not answer"), "", true},
		{migration.NewFault(migration.HistoryLost, "ChangeStreamHistoryLost"), migration.HistoryLost, false},
		{fmt.Errorf("apply: %w", migration.NewFault(migration.WriteRefused, "mongodb://u:hunter2@h/")), migration.WriteRefused, false},
		{migration.NewFault(migration.LeaseLost, "too old"), migration.LeaseLost, true},
		{migration.NewFault(migration.Superseded, "overtaken"), migration.Superseded, true},
	}
	for _, c := range cases {
		var app *temporal.ApplicationError
		if !errors.As(asApplication(c.err), &app) {
			t.Fatalf("%v became %v", c.err, asApplication(c.err))
		}
		if app.Type() != string(c.kind) || app.NonRetryable() == c.repeated || strings.Contains(app.Error(), "hunter2") {
			t.Errorf("%v became type %q, final %t: %v", c.err, app.Type(), app.NonRetryable(), app)
		}
	}
}
