package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"go.yaml.in/yaml/v3"

	"mongoferry/internal/migration"
)

// given is what one place says about a key: its values, and where that is.
type given struct {
	values []string
	where  string
}

// readFile reads a YAML file of keys with a value or a list of values. A key
// that is not known, or that is there twice, is refused with its line.
func readFile(path string, known []string) (map[string]given, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, usagef("read the configuration: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	decoder := yaml.NewDecoder(f)
	var doc yaml.Node
	if err := decoder.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, usagef("%s: %s", path, migration.Redact(err.Error()))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, usagef("%s: holds more than one YAML document", path)
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		if root.Tag == "!!null" {
			return nil, nil
		}
		return nil, usagef("%s line %d: want keys and values, like: source: mongodb://…", path, root.Line)
	}
	return readKeys(path, root, known)
}

func readKeys(path string, root *yaml.Node, known []string) (map[string]given, error) {
	found := map[string]given{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		where := fmt.Sprintf("%s line %d: %s", path, key.Line, key.Value)
		if !slices.Contains(known, key.Value) {
			return nil, usagef("%s line %d: unknown key %q%s", path, key.Line, key.Value, suggest(key.Value, known))
		}
		if _, twice := found[key.Value]; twice {
			return nil, usagef("%s: is there twice", where)
		}
		values, err := readValues(value)
		if err != nil {
			return nil, usagef("%s: %w", where, err)
		}
		if values != nil {
			found[key.Value] = given{values, where}
		}
	}
	return found, nil
}

// readValues gives nil for a key without a value.
func readValues(n *yaml.Node) ([]string, error) {
	switch {
	case n.Kind == yaml.AliasNode:
		return readValues(n.Alias)
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		return nil, nil
	case n.Kind == yaml.ScalarNode:
		return []string{n.Value}, nil
	case n.Kind == yaml.SequenceNode:
		values := []string{}
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode {
				return nil, errors.New("want a list of plain values")
			}
			values = append(values, item.Value)
		}
		return values, nil
	default:
		return nil, errors.New("want a value or a list of values")
	}
}

// suggest names the known key that was probably meant.
func suggest(key string, known []string) string {
	best, distance := "", 3
	for _, k := range known {
		if d := editDistance(key, k); d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
