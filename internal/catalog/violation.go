package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/mongodb"
)

const (
	// undoPatience bounds how long prepareUnique is tried to be taken back.
	undoPatience = 10 * time.Second
	// maxGroups bounds what is remembered of one violation.
	maxGroups = 100
	// shownGroups, shownIDs and shownBytes bound what is shown of it.
	shownGroups = 3
	shownIDs    = 3
	shownBytes  = 80
)

// violation reads the server's answer to a dry run.
func (s stand) violation(refusal error) Violation {
	v := Violation{UnsuccessfulIndex: unsuccessful(s.Collection, s.unique, "failed", refusal)}
	groups := violatingIDs(refusal)
	var shown []string
	for n, ids := range groups {
		if n < maxGroups {
			v.Groups = append(v.Groups, groupName(ids))
		}
		if n < shownGroups {
			shown = append(shown, showIDs(ids))
		}
	}
	if len(groups) == 0 {
		return v
	}
	v.Reason = "documents with equal keys: " + strings.Join(shown, "; ")
	if more := len(groups) - len(shown); more > 0 {
		v.Reason += fmt.Sprintf("; and %d more keys", more)
	}
	return v
}

// violatingIDs gives, for each key that is there more than once, the _ids of the
// documents that have it.
func violatingIDs(refusal error) [][]bson.RawValue {
	var e *mongodb.Error
	if !errors.As(refusal, &e) {
		return nil
	}
	list, _ := e.Reply.Lookup("violations").ArrayOK()
	violations, _ := list.Values()
	var groups [][]bson.RawValue
	for _, violation := range violations {
		doc, _ := violation.DocumentOK()
		ids, _ := doc.Lookup("ids").ArrayOK()
		if values, _ := ids.Values(); len(values) > 0 {
			groups = append(groups, values)
		}
	}
	return groups
}

// groupName is the same for the same first two documents.
func groupName(ids []bson.RawValue) string {
	sum := sha256.New()
	for _, id := range ids[:min(2, len(ids))] {
		sum.Write([]byte{byte(id.Type)})
		sum.Write(id.Value)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

func showIDs(ids []bson.RawValue) string {
	var shown []string
	for _, id := range ids[:min(shownIDs, len(ids))] {
		shown = append(shown, shorten(id.String(), shownBytes))
	}
	text := "_id " + strings.Join(shown, ", ")
	if more := len(ids) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// shorten cuts a text, at a rune.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
