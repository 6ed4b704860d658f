package architecture

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	testNames     = regexp.MustCompile(`\b(Test|Fuzz)[A-Z]\w+`)
	scenarioNames = regexp.MustCompile(`\b(?:id|large|update|catalog|kind|index|out|merge|transaction)-[a-z0-9-]*`)
)

// TestTraps: the page that says which test stands for which trap names none that
// is not there.
func TestTraps(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "docs", "traps.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := testFunctions(t)
	for _, name := range testNames.FindAllString(string(page), -1) {
		if !tests[name] {
			t.Errorf("docs/traps.md names %s, which no test is called", name)
		}
	}
	folders, err := os.ReadDir(filepath.Join(root, "testdata", "scenarios"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range scenarioNames.FindAllString(string(page), -1) {
		found := false
		for _, f := range folders {
			found = found || strings.HasPrefix(f.Name(), name)
		}
		if !found {
			t.Errorf("docs/traps.md names scenarios %s, of which there are none", name)
		}
	}
}

// testFunctions are the names of all test functions of the main module.
func testFunctions(t *testing.T) map[string]bool {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	names := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(text, -1) {
			names[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
