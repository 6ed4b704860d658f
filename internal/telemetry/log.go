// Package telemetry makes the loggers. Whatever is logged has its passwords
// removed at this one place.
package telemetry

import (
	"io"
	"os"

	sdklog "go.temporal.io/sdk/log"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"

	"mongoferry/internal/migration"
)

// NewLogger writes lines for people to a terminal, and JSON elsewhere.
func NewLogger(out io.Writer, level zapcore.Level) *zap.Logger {
	encoder := zapcore.NewJSONEncoder(jsonConfig())
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		encoder = zapcore.NewConsoleEncoder(consoleConfig())
	}
	core := zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(redactingWriter{out})), level)
	return zap.New(core)
}

func jsonConfig() zapcore.EncoderConfig {
	c := zap.NewProductionEncoderConfig()
	c.EncodeTime = zapcore.RFC3339TimeEncoder
	c.TimeKey = "time"
	return c
}

func consoleConfig() zapcore.EncoderConfig {
	c := zap.NewDevelopmentEncoderConfig()
	c.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05")
	return c
}

// redactingWriter removes passwords from lines on their way out.
type redactingWriter struct{ out io.Writer }

func (w redactingWriter) Write(line []byte) (int, error) {
	if _, err := io.WriteString(w.out, migration.Redact(string(line))); err != nil {
		return 0, err
	}
	return len(line), nil
}

// Temporal gives a logger the form that the Temporal SDK wants.
func Temporal(log *zap.Logger) sdklog.Logger { return sdkLogger{log.Sugar()} }

type sdkLogger struct{ log *zap.SugaredLogger }

func (l sdkLogger) Debug(msg string, keyvals ...any) { l.log.Debugw(msg, keyvals...) }
func (l sdkLogger) Info(msg string, keyvals ...any)  { l.log.Infow(msg, keyvals...) }
func (l sdkLogger) Warn(msg string, keyvals ...any)  { l.log.Warnw(msg, keyvals...) }
func (l sdkLogger) Error(msg string, keyvals ...any) { l.log.Errorw(msg, keyvals...) }

// With gives a logger whose every line begins with these pairs.
func (l sdkLogger) With(keyvals ...any) sdklog.Logger { return sdkLogger{l.log.With(keyvals...)} }
