package preflight

import (
	"cmp"
	"slices"
	"strings"
)

// systemNeeds are the rights of a side on collections that the server keeps apart
// from those of any database. They are needed whether or not the source has some
// now: one may come while the migration runs.
func systemNeeds(side string) []need {
	var needs []need
	for on, what := range map[scope]string{buckets: "time-series collections", functions: "stored functions"} {
		if side == "source" {
			needs = append(needs,
				need{action: "find", role: "backup", why: "to read " + what, on: on},
				need{action: "listIndexes", role: "backup", why: "to read the catalog of " + what, on: on},
				need{action: "collStats", role: "clusterMonitor", why: "to measure " + what, on: on})
			continue
		}
		for action, role := range systemWrites {
			if on == buckets || action != "collMod" { // nobody may change functions so
				needs = append(needs, need{action: action, role: role, why: "to write " + what, on: on})
			}
		}
	}
	slices.SortFunc(needs, func(a, b need) int { return cmp.Or(cmp.Compare(a.on, b.on), strings.Compare(a.action, b.action)) })
	return needs
}

// systemWrites are the actions on the destination, and the roles that hold them.
var systemWrites = map[string]string{
	"find": "readWriteAnyDatabase", "listIndexes": "readWriteAnyDatabase", "insert": "restore", "update": "readWriteAnyDatabase",
	"remove": "restore", "bypassDocumentValidation": "restore", "createIndex": "restore", "dropIndex": "readWriteAnyDatabase",
	"collMod": "restore", "createCollection": "restore",
}
