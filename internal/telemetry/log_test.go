package telemetry

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func TestPasswordsAreNotLogged(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := NewLogger(&out, zapcore.InfoLevel)
	log.Info("connect mongodb://u:hunter2@h/", zap.Error(errors.New("dial mongodb+srv://u:hunter2@h/: no")))
	Temporal(log).Warn("again", "uri", "mongodb://u:hunter2@h/")
	if text := out.String(); strings.Contains(text, "hunter2") || strings.Count(text, "(redacted)") != 3 {
		t.Errorf("logged %s", text)
	}
}
