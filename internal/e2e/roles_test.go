package e2e

import (
	"os"
	"regexp"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

var (
	roleCall = regexp.MustCompile(`(?s)createRole\((\{.*?\]\})\)`)
	comment  = regexp.MustCompile(`//.*`)
	fieldKey = regexp.MustCompile(`(\w+):`)
)

// addDocumentedUser creates a user that has nothing but the role of that name in
// docs/security.md, as it stands there.
func addDocumentedUser(t *testing.T, c *mongo.Client, name, password, role string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range roleCall.FindAllSubmatch(page, -1) {
		text := fieldKey.ReplaceAll(comment.ReplaceAll(call[1], nil), []byte(`"$1":`))
		var definition bson.D
		if err := bson.UnmarshalExtJSON(text, false, &definition); err != nil {
			t.Fatalf("read a role of docs/security.md: %v\n%s", err, text)
		}
		if definition[0].Value != role {
			continue
		}
		command := append(bson.D{{Key: "createRole", Value: role}}, definition[1:]...)
		if err := c.Database("admin").RunCommand(t.Context(), command).Err(); err != nil {
			t.Fatal(err)
		}
		addUser(t, c, name, password, role)
		return
	}
	t.Fatalf("docs/security.md has no role %s", role)
}
