package namespace

import (
	"strings"
	"testing"

	"mongoferry/internal/migration"
)

func TestFilter(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name             string
		include, exclude []string
		ns               string
		want             bool
	}{
		{"everything", nil, nil, "a.b", true},
		{"system databases never", nil, nil, "admin.b", false},
		{"system collections never", nil, nil, "a.system.views", false},
		{"stored functions are users' own", nil, nil, "a.system.js", true},
		{"stored functions by name", nil, []string{"a.system.js"}, "a.system.js", false},
		{"buckets of a time series", []string{"a.b"}, nil, "a.system.buckets.b", true},
		{"buckets of another", []string{"a.b"}, nil, "a.system.buckets.c", false},
		{"buckets of the server's own", nil, nil, "a.system.buckets.system.views", false},
		{"the metadata database never", nil, nil, "meta.marker", false},
		{"whole database", []string{"a"}, nil, "a.b", true},
		{"star is the whole database", []string{"a.*"}, nil, "a.b.c", true},
		{"other database", []string{"a"}, nil, "b.b", false},
		{"one collection", []string{"a.b"}, nil, "a.b", true},
		{"its neighbour", []string{"a.b"}, nil, "a.bb", false},
		{"names with dots", []string{"a.b.c"}, nil, "a.b.c", true},
		{"exclude wins", []string{"a"}, []string{"a.b"}, "a.b", false},
		{"exclude alone", nil, []string{"a.b"}, "a.c", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, err := Parse(tt.include, tt.exclude, "meta")
			if err != nil {
				t.Fatal(err)
			}
			db, collection, _ := strings.Cut(tt.ns, ".")
			ns := migration.Namespace{DB: db, Collection: collection}
			if got := f.Matches(ns); got != tt.want {
				t.Errorf("Matches(%s) = %v, want %v", ns, got, tt.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", ".", "a.", ".b", "a*", "a.b*", "admin", "config.x", "a/b"} {
		if _, err := Parse([]string{bad}, nil, "meta"); err == nil {
			t.Errorf("include %q was accepted", bad)
		}
	}
}
