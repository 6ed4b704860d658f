package architecture

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// The layers that every part of the engine stands on.
var ground = []string{"internal/catalog", "internal/partition", "internal/namespace", "internal/mongodb", "internal/ownership", "internal/migration"}

// allowed says which of our packages a package may import. The engine's parts
// never import each other. A package that is not here is refused.
var allowed = map[string][]string{
	"starter":                 {"internal/cli"},
	"worker":                  {"internal/workerapp", "internal/config", "internal/seal", "internal/telemetry", "internal/migration"},
	"workflows":               {"activities", "internal/migration"},
	"activities":              append([]string{"internal/preflight", "internal/initialsync", "internal/replication", "internal/cutover"}, ground...),
	"internal/cli":            {"workflows", "internal/config", "internal/demo", "internal/devstack", "internal/migration", "internal/seal", "internal/telemetry", "internal/workerapp"},
	"internal/workerapp":      {"workflows", "activities", "internal/config", "internal/migration", "internal/mongodb", "internal/seal", "internal/telemetry"},
	"internal/preflight":      ground,
	"internal/initialsync":    ground,
	"internal/replication":    ground,
	"internal/cutover":        ground,
	"internal/catalog":        {"internal/namespace", "internal/mongodb", "internal/migration"},
	"internal/partition":      {"internal/catalog", "internal/mongodb", "internal/migration"},
	"internal/ownership":      {"internal/mongodb", "internal/migration"},
	"internal/mongodb":        {"internal/migration"},
	"internal/namespace":      {"internal/migration"},
	"internal/config":         {"internal/migration"},
	"internal/telemetry":      {"internal/migration"},
	"internal/devstack":       {},
	"internal/devstack/setup": {"internal/devstack"},
	"internal/seal":           {"internal/migration"},
	"internal/demo":           {},
	"bench":                   {"internal/bench", "internal/devstack"},
	"internal/bench":          append([]string{"workflows", "internal/initialsync", "internal/replication", "internal/devstack", "internal/seal"}, ground...),
	"internal/migration":      {},
	"internal/e2e":            {},
	"internal/growth":         {},
	"internal/chart":          {},
	"internal/chart/draw":     {"internal/chart", "internal/growth"},
	"internal/enginetest":     {"internal/devstack", "internal/mongodb", "internal/migration"},
	"internal/random":         {"internal/scenario"},
	"internal/scenario":       {},
	"internal/architecture":   {},
}

// temporal are the packages that may know Temporal.
var temporal = []string{
	"workflows", "activities", "worker", "internal/workerapp", "internal/cli", "internal/seal", "internal/devstack", "internal/telemetry", "internal/bench",
}

// TestImports keeps the directions of imports, tests left out.
func TestImports(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for pkg, imports := range packages(t) {
		seen[pkg] = true
		may, known := allowed[pkg]
		if !known {
			t.Errorf("%s is a new package: say in this test what it may import", pkg)
		}
		for _, path := range imports {
			ours, isOurs := strings.CutPrefix(path, "mongoferry/")
			switch {
			case isOurs && !slices.Contains(may, ours):
				t.Errorf("%s may not import %s", pkg, ours)
			case strings.HasPrefix(path, "go.temporal.io/") && !slices.Contains(temporal, pkg):
				t.Errorf("%s may not know Temporal, but imports %s", pkg, path)
			case pkg == "internal/migration" && strings.Contains(path, ".") && path != "go.mongodb.org/mongo-driver/v2/bson":
				t.Errorf("%s may use the standard library and bson alone, but imports %s", pkg, path)
			}
		}
	}
	for pkg := range allowed {
		if !seen[pkg] {
			t.Errorf("%s is gone: remove it from this test", pkg)
		}
	}
}

// packages gives the imports of every package of the main module, by folder.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "tools" || d.Name() == "testdata" || d.Name() != ".." && strings.HasPrefix(d.Name(), ".")) && path != root:
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		out[dir] = append(out[dir], "")
		for _, i := range file.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			out[dir] = append(out[dir], name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
