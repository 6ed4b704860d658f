package config

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// option is one key: what --help says of it, and how its values are taken in.
type option struct {
	name  string
	usage string
	// def is what --help shows as the default.
	def  string
	kind kind
	set  func(values []string) error
}

// kind is how often a key may be given, and whether its flag takes a value.
type kind int

const (
	single kind = iota
	list        // repeatable; a comma separates values in the environment
	boolean
)

const configFlag = "config"

// register adds the flags of all options, and --config.
func register(fs *pflag.FlagSet, options []option) {
	fs.String(configFlag, "", "YAML `FILE` with the same keys as these flags; flags and environment win over it")
	for _, o := range options {
		usage := o.usage
		switch o.kind {
		case list:
			fs.StringArray(o.name, nil, usage)
		case boolean:
			fs.Bool(o.name, false, usage)
		case single:
			fs.String(o.name, o.def, usage)
		}
	}
}

// load takes every option in from the first place that gives it: its flag, its
// variable, the file.
func load(fs *pflag.FlagSet, env Lookup, options []option) error {
	file, err := configFile(fs, env, options)
	if err != nil {
		return err
	}
	for _, o := range options {
		g, ok := find(fs, env, file, o)
		if !ok {
			continue
		}
		if o.kind != list && len(g.values) != 1 {
			return usagef("%s: want one value, got %d", g.where, len(g.values))
		}
		if err := o.set(g.values); err != nil {
			return usagef("%s: %w", g.where, err)
		}
	}
	return nil
}

func configFile(fs *pflag.FlagSet, env Lookup, options []option) (map[string]given, error) {
	path := fs.Lookup(configFlag).Value.String()
	if path == "" {
		path, _ = env(envName(configFlag))
	}
	if path == "" {
		return nil, nil
	}
	var known []string
	for _, o := range options {
		known = append(known, o.name)
	}
	return readFile(path, known)
}

func find(fs *pflag.FlagSet, env Lookup, file map[string]given, o option) (given, bool) {
	if f := fs.Lookup(o.name); f != nil && f.Changed {
		values := []string{f.Value.String()}
		if many, ok := f.Value.(pflag.SliceValue); ok {
			values = many.GetSlice()
		}
		return given{values, "--" + o.name}, true
	}
	if value, ok := env(envName(o.name)); ok && value != "" {
		values := []string{value}
		if o.kind == list {
			values = splitList(value)
		}
		return given{values, envName(o.name)}, true
	}
	g, ok := file[o.name]
	return g, ok
}

func splitList(text string) []string {
	var values []string
	for item := range strings.SplitSeq(text, ",") {
		values = append(values, strings.TrimSpace(item))
	}
	return slices.DeleteFunc(values, func(s string) bool { return s == "" })
}
