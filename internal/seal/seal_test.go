package seal

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.temporal.io/sdk/converter"
	"pgregory.net/rapid"

	"mongoferry/internal/migration"
)

func TestSealsWhatIsNotClear(t *testing.T) {
	t.Parallel()
	dc := DataConverter(NewKey())
	spec := migration.Spec{ID: "m", Source: migration.Endpoint{URI: "mongodb://u:hunter2@h/"}}
	payloads, err := dc.ToPayloads(spec, migration.Status{ID: "m"}, "a summary")
	if err != nil {
		t.Fatal(err)
	}
	if data := payloads.Payloads[0].Data; bytes.Contains(data, []byte("hunter2")) {
		t.Error("the password is readable")
	}
	for i, want := range []string{`"id":"m"`, "a summary"} {
		if data := payloads.Payloads[i+1].Data; !bytes.Contains(data, []byte(want)) {
			t.Errorf("payload %d is not readable: %s", i+1, data)
		}
	}
	var back migration.Spec
	if err := dc.FromPayload(payloads.Payloads[0], &back); err != nil {
		t.Fatal(err)
	}
	if back.Source.URI != spec.Source.URI {
		t.Errorf("got %q back", back.Source.URI)
	}
}

func TestOtherKeysAreNamed(t *testing.T) {
	t.Parallel()
	payload, err := DataConverter(NewKey()).ToPayload(migration.Spec{ID: "m"})
	if err != nil {
		t.Fatal(err)
	}
	var back migration.Spec
	for name, dc := range map[string]converter.DataConverter{"none": DataConverter(nil), "another": DataConverter(NewKey())} {
		if err := dc.FromPayload(payload, &back); err == nil || !strings.Contains(err.Error(), "sealed with key") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sub", "key")
	first, err := EnsureKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := EnsureKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("the key changed")
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v", info.Mode())
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Errorf("the folder holds %d files, want the key alone", len(entries))
	}
}

func TestTamperingIsNoticed(t *testing.T) {
	t.Parallel()
	dc := DataConverter(NewKey())
	payload, err := dc.ToPayload(migration.Spec{ID: "m"})
	if err != nil {
		t.Fatal(err)
	}
	payload.Data[len(payload.Data)-1] ^= 1
	var back migration.Spec
	if err := dc.FromPayload(payload, &back); err == nil {
		t.Error("a changed payload was accepted")
	}
}

func TestLoadKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key, err := EnsureKeyFile(filepath.Join(dir, "mongoferry", "key"))
	if err != nil {
		t.Fatal(err)
	}
	text := base64.StdEncoding.EncodeToString(key)
	cases := []struct {
		name string
		env  map[string]string
		want Key
		fail string
	}{
		{name: "variable", env: map[string]string{EnvKey: text + "\n"}, want: key},
		{name: "file", env: map[string]string{EnvKeyFile: filepath.Join(dir, "mongoferry", "key")}, want: key},
		{name: "user's folder", env: map[string]string{"XDG_CONFIG_HOME": dir}, want: key},
		{name: "none", env: map[string]string{"HOME": dir}},
		{name: "no home", env: nil},
		{name: "short", env: map[string]string{EnvKey: "c2hvcnQ="}, fail: EnvKey + ": want 32 bytes"},
		{name: "no such file", env: map[string]string{EnvKeyFile: filepath.Join(dir, "no")}, fail: "read the key file"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := LoadKeyFrom(func(name string) string { return c.env[name] })
			if c.fail != "" {
				if err == nil || !strings.Contains(err.Error(), c.fail) {
					t.Errorf("error is %v, want %q", err, c.fail)
				}
				return
			}
			if err != nil || !bytes.Equal(got, c.want) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestEveryValueComesBack(t *testing.T) {
	t.Parallel()
	sealed, plain := DataConverter(NewKey()), DataConverter(nil)
	rapid.Check(t, func(t *rapid.T) {
		token := rapid.SliceOf(rapid.Byte()).Draw(t, "token")
		text := rapid.String().Draw(t, "text")
		count := rapid.Int64().Draw(t, "count")
		for _, dc := range []converter.DataConverter{sealed, plain} {
			payloads, err := dc.ToPayloads(token, text, count, nil)
			if err != nil {
				t.Fatal(err)
			}
			var gotToken []byte
			var gotText string
			var gotCount int64
			if err := dc.FromPayloads(payloads, &gotToken, &gotText, &gotCount); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(gotToken, token) || gotText != text || gotCount != count {
				t.Fatalf("got %v %q %d", gotToken, gotText, gotCount)
			}
		}
	})
}
