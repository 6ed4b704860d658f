package preflight

import (
	"context"
	"net"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

// need is an action on a resource, and the built-in role that holds it.
type need struct {
	action, role, why string
	on                scope
}

// bothNeed is what tells which clusters these are, and who is at work on them.
func bothNeed() []need {
	return []need{
		{action: "getParameter", role: "clusterMonitor", why: "to read the feature compatibility version", on: cluster},
		{action: "replSetGetConfig", role: "clusterMonitor", why: "to tell the clusters apart", on: cluster},
		{action: "serverStatus", role: "clusterMonitor", why: "to see open transactions and a write block", on: cluster},
		{action: "inprog", role: "clusterMonitor", why: "to see index builds", on: cluster},
	}
}

func sourceNeeds(mode migration.SourceWrites) []need {
	needs := append(bothNeed(), []need{
		{action: "find", role: "backup", why: "to read every collection"},
		{action: "changeStream", role: "readAnyDatabase", why: "to follow changes"},
		{action: "listCollections", role: "backup", why: "to read the catalog"},
		{action: "listIndexes", role: "backup", why: "to read the catalog"},
		{action: "listDatabases", role: "backup", why: "to read the catalog", on: cluster},
		{action: "collStats", role: "clusterMonitor", why: "to measure the collections"},
		{action: "appendOplogNote", role: "backup", why: "to mark the end of the changes", on: cluster},
		{action: "useUUID", role: "backup", why: "to read collections that are renamed", on: cluster},
	}...)
	if mode == migration.BlockWrites {
		needs = append(needs, need{action: "setUserWriteBlockMode", role: "backup",
			why: "to block writes at cutover; or stop them yourself and give --source-writes stopped", on: cluster})
	}
	return needs
}

func destinationNeeds() []need {
	return append(bothNeed(), []need{
		{action: "insert", role: "restore", why: "to copy documents"},
		{action: "update", role: "readWriteAnyDatabase", why: "to apply changes"},
		{action: "remove", role: "restore", why: "to apply changes"},
		{action: "createCollection", role: "restore", why: "to create collections"},
		{action: "dropCollection", role: "restore", why: "to apply drops"},
		{action: "createIndex", role: "restore", why: "to build indexes"},
		{action: "collMod", role: "restore", why: "to restore index properties"},
		{action: "find", role: "readWriteAnyDatabase", why: "to look at what is there"},
		{action: "listCollections", role: "readWriteAnyDatabase", why: "to look at what is there"},
		{action: "listIndexes", role: "readWriteAnyDatabase", why: "to look at what is there"},
		{action: "listDatabases", role: "readWriteAnyDatabase", why: "to look at what is there", on: cluster},
		{action: "useUUID", role: "restore", why: "to look at collections that are renamed", on: cluster},
		{action: "convertToCapped", role: "readWriteAnyDatabase", why: "to create capped collections"},
		{action: "dropIndex", role: "readWriteAnyDatabase", why: "to apply changes of indexes"},
		{action: "renameCollectionSameDB", role: "readWriteAnyDatabase", why: "to apply renames"},
		{action: "bypassDocumentValidation", role: "restore", why: "to copy documents that a validator would refuse"},
	}...)
}

// require blocks for every right that is missing and gives their number.
func (c *checker) require(side string, granted grants, needs []need) (missing int) {
	for _, n := range needs {
		if granted.allows(n) {
			continue
		}
		missing++
		c.block(side+" rights", "grant the role "+n.role+" on admin (docs/security.md)", "the user on the %s lacks %s, needed %s", side, n.action, n.why)
	}
	return missing
}

// checkRights asks each server what its user may do. Without access control
// everything is allowed.
func (c *checker) checkRights(ctx context.Context) {
	c.checkSide(ctx, c.src)
	c.checkSide(ctx, c.dst)
}

func (c *checker) checkSide(ctx context.Context, client *mongodb.Client) {
	check := client.Name() + " rights"
	needs := destinationNeeds()
	if client == c.src {
		needs = sourceNeeds(c.spec.SourceWrites)
	}
	needs = append(needs, systemNeeds(client.Name())...)
	reply, err := client.Run(ctx, "admin", bson.D{{Key: "connectionStatus", Value: 1}, {Key: "showPrivileges", Value: true}})
	if err != nil {
		c.block(check, "", "%s", err)
		return
	}
	granted, authenticated, err := privileges(reply)
	if err != nil {
		c.block(check, "", "%s", err)
		return
	}
	if !authenticated {
		// Access control is off, or commands would have been refused before.
		c.pass(check, "the %s has no access control", client.Name())
		return
	}
	if c.require(client.Name(), granted, needs) == 0 {
		c.pass(check, "the user on the %s has every right it needs", client.Name())
	}
}

// checkTLS warns of connections that others could read.
func (c *checker) checkTLS() {
	for _, client := range []*mongodb.Client{c.src, c.dst} {
		if !client.TLS() && !loopback(client.Address()) {
			c.warn("encryption", "use tls=true in the connection string", "the %s is reached without TLS", client.Name())
		}
	}
}

func loopback(uri migration.URI) bool {
	for _, host := range strings.Split(uri.Hosts(), ",") {
		name, _, err := net.SplitHostPort(host)
		if err != nil {
			name = host
		}
		ip := net.ParseIP(name)
		if name != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return false
		}
	}
	return true
}
