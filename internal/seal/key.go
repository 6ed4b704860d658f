// Package seal keeps secrets and customer data out of Temporal's sight: payloads
// are sealed with AES-GCM under a key that starter and worker share. What holds
// neither (migration.Clearer, plain strings) stays readable in the Temporal UI.
package seal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Where the key is looked for.
const (
	EnvKey     = "MONGOFERRY_KEY"
	EnvKeyFile = "MONGOFERRY_KEY_FILE"
	keyBytes   = 32
)

// Key is an AES-256 key; nil means none.
type Key []byte

// ID tells keys apart without giving them away.
func (k Key) ID() string {
	sum := sha256.Sum256(append([]byte("mongoferry key id "), k...))
	return hex.EncodeToString(sum[:6])
}

// String never shows the key.
func (k Key) String() string { return "key " + k.ID() }

// LoadKey finds the key: in MONGOFERRY_KEY (base64), in the file that
// MONGOFERRY_KEY_FILE names, or in the user's configuration folder. It is nil
// when there is none.
func LoadKey() (Key, error) { return LoadKeyFrom(os.Getenv) }

// LoadKeyFrom is LoadKey with an environment of the caller's.
func LoadKeyFrom(getenv func(string) string) (Key, error) {
	if text := getenv(EnvKey); text != "" {
		return parseKey(EnvKey, text)
	}
	path := getenv(EnvKeyFile)
	if path == "" {
		if path = defaultKeyFile(getenv); path == "" {
			return nil, nil
		}
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the key file: %w", err)
	}
	return parseKey(path, string(content))
}

// DefaultKeyFileIn is where `starter dev` keeps its key, by an environment of the
// caller's.
func DefaultKeyFileIn(getenv func(string) string) (string, error) {
	path := defaultKeyFile(getenv)
	if path == "" {
		return "", fmt.Errorf("neither XDG_CONFIG_HOME nor HOME is set: set %s to a file for the key", EnvKeyFile)
	}
	return path, nil
}

// defaultKeyFile is "" when the user has no configuration folder.
func defaultKeyFile(getenv func(string) string) string {
	dir := getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home := getenv("HOME")
		if home == "" {
			return ""
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "mongoferry", "key")
}

func parseKey(where, text string) (Key, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != keyBytes {
		return nil, fmt.Errorf("%s: want %d bytes in base64, as from: head -c 32 /dev/urandom | base64", where, keyBytes)
	}
	return key, nil
}

// NewKey makes a random key.
func NewKey() Key {
	key := make(Key, keyBytes)
	_, _ = rand.Read(key) // never fails
	return key
}

// EnsureKeyFile gives the key in a file, making it, for its owner's eyes only,
// when it is not there.
func EnsureKeyFile(path string) (Key, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the key file: %w", err)
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if err := writeKeyFile(path, NewKey()); err != nil {
			return nil, fmt.Errorf("make the key file: %w", err)
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the key file: %w", err)
	}
	return parseKey(path, string(content))
}

// writeKeyFile makes the file whole or not at all. When another process was
// first, its key stays.
func writeKeyFile(path string, key Key) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	err = errors.Join(err, f.Close())
	if err == nil {
		if err = os.Link(f.Name(), path); errors.Is(err, os.ErrExist) {
			err = nil
		}
	}
	return errors.Join(err, os.Remove(f.Name()))
}
