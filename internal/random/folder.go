package random

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func newSession() bson.Binary {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // it never fails
	return bson.Binary{Subtype: bson.TypeBinaryUUID, Data: id}
}

// Save writes a scenario's folder: what was done before the start of a migration
// and after it.
func Save(dir, about string, before, after []bson.D) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the scenario's folder: %w", err)
	}
	before = append([]bson.D{d("about", about)}, before...)
	for name, ops := range map[string][]bson.D{"before.json": before, "after.json": after} {
		var b bytes.Buffer
		b.WriteString("[")
		for i, op := range ops {
			text, err := bson.MarshalExtJSON(op, true, false)
			if err != nil {
				return fmt.Errorf("write %s: %w", name, err)
			}
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString("\n  ")
			b.Write(text)
		}
		b.WriteString("\n]\n")
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
			return fmt.Errorf("write the scenario: %w", err)
		}
	}
	return nil
}

// Read reads what Save has written.
func Read(dir string) (before, after []bson.D, err error) {
	for name, ops := range map[string]*[]bson.D{"before.json": &before, "after.json": &after} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, nil, fmt.Errorf("read a scenario: %w", err)
		}
		var raw []json.RawMessage
		if err := json.Unmarshal(text, &raw); err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", name, err)
		}
		for _, r := range raw {
			var op bson.D
			if err := bson.UnmarshalExtJSON(r, true, &op); err != nil {
				return nil, nil, fmt.Errorf("read %s: %w", name, err)
			}
			if Kind(op) != "about" {
				*ops = append(*ops, op)
			}
		}
	}
	return before, after, nil
}
