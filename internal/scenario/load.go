package scenario

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Scenario is a piece of a source's life. Name is that of its folder.
type Scenario struct {
	Name, About           string
	Before, During, After []Operation
}

// names are such that a database can be named after a scenario, with what is
// appended to tell several of them apart.
var names = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

const maxName = 55

// Load reads the scenarios in the folders of dir whose name matches pattern, a
// regular expression; an empty one matches all.
func Load(dir, pattern string) ([]Scenario, error) {
	wanted, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("the scenarios' pattern: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list the scenarios: %w", err)
	}
	var all []Scenario
	for _, e := range entries {
		switch {
		case !e.IsDir():
			return nil, fmt.Errorf("%s: not a folder: a scenario is a folder with before.json, during.json or after.json",
				filepath.Join(dir, e.Name()))
		case !wanted.MatchString(e.Name()):
			continue
		}
		s, err := loadOne(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no scenario matches %q", dir, pattern)
	}
	return all, nil
}

func loadOne(dir string) (Scenario, error) {
	s := Scenario{Name: filepath.Base(dir)}
	if !names.MatchString(s.Name) || len(s.Name) > maxName {
		return s, fmt.Errorf("%s: a scenario's name is made of lower-case letters, digits and single hyphens, at most %d of them", dir, maxName)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return s, fmt.Errorf("list a scenario: %w", err)
	}
	parts := map[string]*[]Operation{"before.json": &s.Before, "during.json": &s.During, "after.json": &s.After}
	for _, e := range entries {
		part, known := parts[e.Name()]
		if !known {
			return s, fmt.Errorf("%s: a scenario holds before.json, during.json and after.json alone", filepath.Join(dir, e.Name()))
		}
		if *part, err = s.loadFile(filepath.Join(dir, e.Name())); err != nil {
			return s, err
		}
	}
	if len(s.Before)+len(s.During)+len(s.After) == 0 {
		return s, fmt.Errorf("%s: no operation in any of before.json, during.json and after.json", dir)
	}
	return s, s.checkTransactions()
}

// loadFile reads a file's operations, and notes what the scenario is about.
func (s *Scenario) loadFile(path string) ([]Operation, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a scenario: %w", err)
	}
	elements, err := split(text)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	var ops []Operation
	for i, e := range elements {
		where := fmt.Sprintf("%s:%d: operation %d", path, e.line, i)
		var doc bson.D
		if err := bson.UnmarshalExtJSON(e.text, false, &doc); err != nil {
			return nil, fmt.Errorf("%s: not extended JSON: %w", where, err)
		}
		if len(doc) > 0 && doc[0].Key == "about" {
			about, isText := doc[0].Value.(string)
			if !isText || i > 0 || len(doc) > 1 || s.About != "" {
				return nil, fmt.Errorf(`%s: want {"about": "one line"}, once in a scenario and first in its file`, where)
			}
			s.About = about
			continue
		}
		op, err := parse(where, doc)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// element is one of a file's operations, and the line it begins in.
type element struct {
	line int
	text []byte
}

// split takes a JSON array apart without reading what is in it, so that the
// decoder of extended JSON sees each operation as it is written.
func split(text []byte) ([]element, error) {
	lineOf := func(offset int64) int { return 1 + bytes.Count(text[:min(int(offset), len(text))], []byte("\n")) }
	d := json.NewDecoder(bytes.NewReader(text))
	fail := func(err error) error {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return fmt.Errorf("%d: not JSON: %w", lineOf(syntax.Offset), err)
		}
		return fmt.Errorf("%d: not JSON: %w", lineOf(d.InputOffset()), err)
	}
	if first, err := d.Token(); err != nil {
		return nil, fail(err)
	} else if first != json.Delim('[') {
		return nil, errors.New("1: want an array of operations")
	}
	var out []element
	for d.More() {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, fail(err)
		}
		out = append(out, element{lineOf(d.InputOffset() - int64(len(raw))), raw})
	}
	if _, err := d.Token(); err != nil {
		return nil, fail(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%d: there is more behind the array of operations", lineOf(d.InputOffset()))
	}
	return out, nil
}
