package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"go.uber.org/zap/zapcore"
	"pgregory.net/rapid"

	"mongoferry/internal/migration"
)

// loadSpec reads a Spec from arguments, environment and the text of a file.
func loadSpec(t *testing.T, args []string, env map[string]string, file string, hasKey bool) (migration.Spec, error) {
	t.Helper()
	if file != "" {
		path := filepath.Join(t.TempDir(), "m.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	SpecFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return LoadSpec(fs, lookupIn(env), hasKey)
}

func lookupIn(env map[string]string) Lookup {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}

func both() []string {
	return []string{"--source", "mongodb://s/", "--destination", "mongodb://d/"}
}

func TestFlagsWinOverEnvironmentOverFile(t *testing.T) {
	t.Parallel()
	file := "source: mongodb://file/\ndestination: mongodb://file/\nready-lag: 1s\nextension: 1h\ninclude: [a, b.*]\nid: 7\nload: low\nmax-rate: 20MB/s\ndrop-destination: true\n"
	env := map[string]string{"MONGOFERRY_SOURCE": "mongodb://env/", "MONGOFERRY_READY_LAG": "2s", "MONGOFERRY_EXCLUDE": "a.x, b.y", "MONGOFERRY_LOAD": "high"}
	got, err := loadSpec(t, []string{"--ready-lag", "3s"}, env, file, false)
	if err != nil {
		t.Fatal(err)
	}
	want := migration.Spec{
		ID: "7", Source: migration.Endpoint{URI: "mongodb://env/"}, Destination: migration.Endpoint{URI: "mongodb://file/"},
		Include: []string{"a", "b.*"}, Exclude: []string{"a.x", "b.y"}, DropDestination: true,
		ReadyLag: 3 * time.Second, Extension: time.Hour,
		Pace: migration.Pace{Load: migration.LoadHigh, MaxRate: migration.Rate{Bytes: 20e6}},
	}.WithDefaults()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	got, err := loadSpec(t, both(), nil, "# nothing\n", false)
	if err != nil {
		t.Fatal(err)
	}
	if got.CutoverWindow != 120*time.Hour || got.SourceWrites != migration.BlockWrites || got.MetadataDB != "mongoferry" || got.Pace != (migration.Pace{Load: migration.LoadNormal}) {
		t.Errorf("got %+v", got)
	}
}

func TestWrongUse(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, file string
		args       []string
		env        map[string]string
		want       string
	}{
		{name: "no source", args: []string{"--destination", "mongodb://d/"}, want: "the source is missing: give --source, MONGOFERRY_SOURCE"},
		{name: "no destination", args: []string{"--source", "mongodb://d/"}, want: "the destination is missing"},
		{name: "unknown key", file: "source: mongodb://s/\nsorce: x\n", want: `line 2: unknown key "sorce" (did you mean "source"?)`},
		{name: "unlike any key", file: "frobnicate: x\n", want: `line 1: unknown key "frobnicate"`},
		{name: "twice", file: "id: a\nid: b\n", want: "line 2: id: is there twice"},
		{name: "broken", file: "source: [\n", want: "m.yaml: yaml:"},
		{name: "no keys", file: "- a\n", want: "line 1: want keys and values"},
		{name: "two documents", file: "id: a\n---\nid: b\n", want: "more than one YAML document"},
		{name: "nested", file: "source:\n  uri: x\n", want: "line 1: source: want a value or a list of values"},
		{name: "list for one", file: "id: [a, b]\n", want: "line 1: id: want one value, got 2"},
		{name: "duration in file", file: "id: a\nready-lag: soon\n", want: `line 2: ready-lag: "soon": want a duration`},
		{name: "duration in flag", args: []string{"--extension", "5"}, want: `--extension: "5": want a duration`},
		{name: "negative", args: []string{"--cutover-window", "-1h"}, want: "--cutover-window: -1h: want at least 1s"},
		{name: "variable", env: map[string]string{"MONGOFERRY_DROP_DESTINATION": "perhaps"}, want: "MONGOFERRY_DROP_DESTINATION: \"perhaps\": want true or false"},
		{name: "load", args: []string{"--load", "max"}, want: `--load: load "max": want low, normal or high`},
		{name: "rate", file: "max-rate: 20Mbit/s\n", want: `line 1: max-rate: rate "20Mbit/s": want documents or bytes per second, like 5000docs/s or 20MB/s`},
		{name: "choice", args: []string{"--source-writes", "never"}, want: `--source-writes: "never": want block or stopped`},
		{name: "pattern", args: []string{"--include", "a.*b"}, want: `--include: "a.*b": want db, db.* or db.collection`},
		{name: "system", args: []string{"--exclude", "config.x"}, want: "belong to the server"},
		{name: "id", args: append(both(), "--id", "a b"), want: `id "a b": want up to 100 letters`},
		{name: "scheme", args: []string{"--source", "localhost:27017", "--destination", "env:D"}, want: "source: want mongodb://"},
		{name: "no name", args: []string{"--source", "env:", "--destination", "env:D"}, want: `source: "env:" names nothing`},
		{name: "malformed", args: []string{"--source", "mongodb://h:port/", "--destination", "env:D"}, want: "source: mongodb://h:port/: "},
		{name: "metadata", args: append(both(), "--metadata-db", "admin"), want: "belongs to the server"},
		{name: "no file", args: []string{"--config", "/nowhere/m.yaml"}, want: "read the configuration: open /nowhere/m.yaml"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := loadSpec(t, c.args, c.env, c.file, false)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error is %v\nwant %s", err, c.want)
			}
			if !IsUsage(err) {
				t.Error("is not wrong use")
			}
		})
	}
}

func TestPasswordNeedsAKey(t *testing.T) {
	t.Parallel()
	args := []string{"--source", "mongodb://u:hunter2@s/", "--destination", "file:/etc/destination"}
	_, err := loadSpec(t, args, nil, "", false)
	if err == nil || IsUsage(err) {
		t.Fatalf("error is %v, want a refusal", err)
	}
	for _, want := range []string{"the source's", "env:NAME", "file:PATH", "MONGOFERRY_KEY"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v: does not tell of %s", err, want)
		}
	}
	spec, err := loadSpec(t, args, nil, "", true)
	if err != nil {
		t.Fatal(err)
	}
	if spec.Source.URI != args[1] {
		t.Errorf("the source is %v", spec.Source)
	}
	if _, err := loadSpec(t, []string{"--source", "env:S", "--destination", "file:/d"}, nil, "", false); err != nil {
		t.Errorf("references: %v", err)
	}
}

// TestNoErrorHoldsThePassword: whatever is malformed, the password stays out of
// the message.
func TestNoErrorHoldsThePassword(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		tail := rapid.StringMatching(`[a-z:/?#%&=@ ]{0,12}`).Draw(rt, "tail")
		password := "hunter2" + rapid.StringMatching(`[%/?#:\[\]]{0,2}`).Draw(rt, "special")
		scheme := rapid.SampledFrom([]string{"mongodb", "mongodb+srv"}).Draw(rt, "scheme")
		file := "source: \"" + scheme + "://u:" + password + "@h" + tail + "\"\ndestination: mongodb://d/\n"
		_, err := loadSpec(t, nil, nil, file, false)
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			rt.Fatalf("error is %v", err)
		}
	})
}

func TestWorker(t *testing.T) {
	t.Parallel()
	w, err := LoadWorker([]string{"--log-level", "debug"}, lookupIn(map[string]string{"MONGOFERRY_TASK_QUEUE": "q"}))
	if err != nil {
		t.Fatal(err)
	}
	if w != (Worker{TaskQueue: "q", LogLevel: zapcore.DebugLevel}) {
		t.Errorf("got %+v", w)
	}
	for _, args := range [][]string{{"--nope"}, {"extra"}, {"--log-level", "loud"}} {
		if _, err := LoadWorker(args, lookupIn(nil)); !IsUsage(err) {
			t.Errorf("%v: error is %v", args, err)
		}
	}
	if _, err := LoadWorker([]string{"--help"}, lookupIn(nil)); !errors.Is(err, pflag.ErrHelp) {
		t.Errorf("help: error is %v", err)
	}
}
