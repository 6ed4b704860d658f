package preflight

// systemNeeds are the rights of a side on collections that the server keeps apart
// from those of any database. They are needed whether or not the source has some
// now: one may come while the migration runs.
func systemNeeds(side string) []need {
	var needs []need
	for _, kind := range []struct {
		on   scope
		what string
	}{{buckets, "time-series collections"}, {functions, "stored functions"}} {
		if side == "source" {
			needs = append(needs,
				need{action: "collStats", role: "clusterMonitor", why: "to measure " + kind.what, on: kind.on},
				need{action: "find", role: "backup", why: "to read " + kind.what, on: kind.on},
				need{action: "listIndexes", role: "backup", why: "to read the catalog of " + kind.what, on: kind.on})
			continue
		}
		for _, n := range systemWrites {
			if kind.on == buckets || n.action != "collMod" { // nobody may change functions so
				needs = append(needs, need{action: n.action, role: n.role, why: "to write " + kind.what, on: kind.on})
			}
		}
	}
	return needs
}

// systemWrites are the actions on the destination, and the roles that hold them.
var systemWrites = []need{
	{action: "bypassDocumentValidation", role: "restore"},
	{action: "collMod", role: "restore"},
	{action: "createCollection", role: "restore"},
	{action: "createIndex", role: "restore"},
	{action: "dropIndex", role: "readWriteAnyDatabase"},
	{action: "find", role: "readWriteAnyDatabase"},
	{action: "insert", role: "restore"},
	{action: "listIndexes", role: "readWriteAnyDatabase"},
	{action: "remove", role: "restore"},
	{action: "update", role: "readWriteAnyDatabase"},
}
