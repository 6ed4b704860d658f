package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// folder writes a scenario's files, given as name and content in turn.
func folder(t *testing.T, name string, files ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, name, files[i]), []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, folder, file, text string
		want                     []string
	}{
		{"an empty folder", "s", "", "", []string{"/s: no operation in any of before.json"}},
		{"nothing but what it is about", "s", "after.json", `[{"about": "x"}]`, []string{"/s: no operation"}},
		{"a file of another name", "s", "befor.json", `[]`, []string{"/s/befor.json: a scenario holds"}},
		{"a name that no database can have", "A b", "after.json", `[{"ping": 1}]`, []string{"/A b: a scenario's name"}},
		{"a name that is too long", strings.Repeat("n", 56), "after.json", `[{"ping": 1}]`, []string{"at most 55"}},
		{"no array", "s", "after.json", "{}", []string{"/s/after.json:1: want an array"}},
		{"nothing in the file", "s", "after.json", "", []string{"/s/after.json:1: not JSON"}},
		{"broken JSON", "s", "after.json", "[\n{\"ping\": 1},\n{\"ping\" 1}\n]", []string{"/s/after.json:3: not JSON"}},
		{"an array without an end", "s", "after.json", "[\n{\"ping\": 1}\n", []string{"/s/after.json:2: not JSON"}},
		{"a second array", "s", "after.json", "[{\"ping\": 1}]\n[]", []string{"/s/after.json:2: there is more"}},
		{"not an operation", "s", "after.json", "[\n{\"ping\": 1},\n7]", []string{"/s/after.json:3: operation 1: not extended JSON"}},
		{"broken extended JSON", "s", "after.json", "[\n{\"x\": {\"$oid\": \"zz\"}}]", []string{"/s/after.json:2: operation 0: not extended JSON"}},
		{"an empty operation", "s", "after.json", `[{}]`, []string{"operation 0: it is empty"}},
		{"a word for the runner that it does not know", "s", "after.json", `[{"ping": 1, "$tnx": "t"}]`, []string{`operation 0: "$tnx": a command knows`}},
		{"no command", "s", "after.json", `[{"$db": "x"}]`, []string{"operation 0: there is no command"}},
		{"a database that is not a name", "s", "after.json", `[{"ping": 1, "$db": 1}]`, []string{`"$db" cannot be 1`}},
		{"a code that is not a number", "s", "after.json", `[{"ping": 1, "$expect": ["x"]}]`, []string{`"$expect" cannot be`}},
		{"an unknown key of a transaction", "s", "after.json", `[{"transaction": [{"ping": 1}], "rollback": true}]`, []string{`"rollback" cannot stand beside "transaction"`}},
		{"an abort that is no yes or no", "s", "after.json", `[{"transaction": [{"ping": 1}], "abort": "t"}]`, []string{`"abort" cannot be t`}},
		{"an empty transaction", "s", "after.json", `[{"transaction": []}]`, []string{"want an array of operations"}},
		{"a transaction in a transaction", "s", "after.json", `[{"transaction": [{"transaction": [{"ping": 1}]}]}]`, []string{"number 0 inside: a transaction within"}},
		{"a failure in a transaction", "s", "after.json", `[{"transaction": [{"ping": 1, "$expect": 2}]}]`, []string{"number 0 inside: $expect in a transaction"}},
		{"a repeat without operations", "s", "after.json", `[{"repeat": 2}]`, []string{"repeat and ops belong together"}},
		{"a repeat of no times", "s", "after.json", `[{"repeat": 0, "ops": [{"ping": 1}]}]`, []string{`"repeat" cannot be 0`}},
		{"a repeat in a repeat", "s", "after.json", `[{"repeat": 2, "ops": [{"repeat": 2, "ops": [{"ping": 1}]}]}]`, []string{"a repeat within a repeat"}},
		{"something else inside", "s", "after.json", `[{"repeat": 2, "ops": [7]}]`, []string{"number 0 inside is not an operation"}},
		{"a begin inside", "s", "after.json", `[{"repeat": 2, "ops": [{"begin": "t"}]}]`, []string{"begin, commit and abort stand in the file"}},
		{"a transaction that is not open", "s", "after.json", `[{"ping": 1, "$txn": "t"}]`, []string{`no transaction "t" is open`}},
		{"a commit of nothing", "s", "after.json", `[{"commit": "t"}]`, []string{`no transaction "t" is open`}},
		{"a transaction that is begun twice", "s", "after.json", `[{"begin": "t"}, {"begin": "t"}]`, []string{`operation 1: transaction "t" is open already`}},
		{"a transaction without an end", "s", "after.json", `[{"begin": "t"}]`, []string{`operation 0: transaction "t" is neither`}},
		{"a second explanation", "s", "after.json", `[{"about": "x"}, {"about": "y"}]`, []string{"operation 1"}},
		{"an explanation with more", "s", "after.json", `[{"about": "x", "y": 1}]`, []string{`want {"about": "one line"}`}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var files []string
			if c.file != "" {
				files = []string{c.file, c.text}
			}
			_, err := Load(folder(t, c.folder, files...), "")
			if err == nil {
				t.Fatal("it was loaded")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
		})
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := folder(t, "all-forms",
		"before.json", `[{"about": "every form"}, {"begin": "t"}, {"insert": "c", "documents": [{"_id": 1.0}], "$txn": "t", "$db": "%DB2%"}]`,
		"during.json", `[{"commit": "t"}, {"repeat": 2, "ops": [{"insert": "c", "documents": [{"_id": {"$i": 1}}], "$expect": 11000}]}]`,
		"after.json", `[{"transaction": [{"delete": "c"}], "abort": true}]`)
	all, err := Load(dir, "^all")
	if err != nil {
		t.Fatal(err)
	}
	s := all[0]
	if len(all) != 1 || s.Name != "all-forms" || s.About != "every form" || len(s.Before) != 2 || len(s.During) != 2 || len(s.After) != 1 {
		t.Fatalf("loaded %+v", all)
	}
	first := s.Before[1]
	if first.DB != "%DB2%" || first.Within != "t" || len(first.Command) != 2 {
		t.Errorf("a command became %+v", first)
	}
	if !strings.HasSuffix(first.String(), "before.json:1: operation 2") {
		t.Errorf("it stands at %s", first)
	}
	if inner := s.During[1].Ops; s.During[1].Repeat != 2 || len(inner) != 1 || inner[0].Expect[0] != 11000 {
		t.Errorf("a repeat became %+v", s.During[1])
	}
	if !s.After[0].RolledBack || len(s.After[0].Transaction) != 1 {
		t.Errorf("a transaction became %+v", s.After[0])
	}
	if _, err := Load(dir, "none"); err == nil || !strings.Contains(err.Error(), `no scenario matches "none"`) {
		t.Errorf("a pattern that matches nothing: %v", err)
	}
	if _, err := Load(dir, "("); err == nil {
		t.Error("a broken pattern was taken")
	}
	if _, err := Load(filepath.Join(dir, "nowhere"), ""); err == nil {
		t.Error("a folder that is not there was loaded")
	}
	if _, err := Load(filepath.Join(dir, "all-forms"), ""); err == nil || !strings.Contains(err.Error(), "not a folder") {
		t.Errorf("a scenario's own folder: %v", err)
	}
}

// TestExpand: placeholders are filled in, everything else stays as it is, to the
// type and the order of fields.
func TestExpand(t *testing.T) {
	t.Parallel()
	const text = `[{"aggregate": "%DB%.c", "z": {"$numberLong": "1"}, "a": 1.0, "n": {"$i": 1}, "pad": {"$pad": 3},
		"list": ["%DB2%", "%I%", {"$set": {"%I%": {"$literal": "$x"}, "a.b": {"$undefined": true}}}], "$db": "x"}]`
	all, err := Load(folder(t, "s", "after.json", text), "")
	if err != nil {
		t.Fatal(err)
	}
	command := all[0].After[0].Command
	got, err := place{db: "d", number: 7}.document(command)
	if err != nil {
		t.Fatal(err)
	}
	want := bson.D{{Key: "aggregate", Value: "d.c"}, {Key: "z", Value: int64(1)}, {Key: "a", Value: 1.0}, {Key: "n", Value: int32(7)},
		{Key: "pad", Value: "xxx"}, {Key: "list", Value: bson.A{"d_2", "7", bson.D{{Key: "$set", Value: bson.D{
			{Key: "%I%", Value: bson.D{{Key: "$literal", Value: "$x"}}}, {Key: "a.b", Value: bson.Undefined{}}}}}}}}
	if g, w := raw(t, got), raw(t, want); string(g) != string(w) {
		t.Errorf("%s\nwant %s", g, w)
	}
	if _, err := (place{db: "d", number: -1}).document(command); err == nil || !strings.Contains(err.Error(), "outside of a repeat") {
		t.Errorf("a number outside of a repeat: %v", err)
	}
	if _, err := (place{}).value(bson.D{{Key: "$pad", Value: "x"}}); err == nil {
		t.Error("a text was taken for a length")
	}
}

func raw(t *testing.T, d bson.D) bson.Raw {
	t.Helper()
	b, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
