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
	// cluster: on the cluster resource; otherwise on any database.
	cluster bool
}

// bothNeed is what tells which clusters these are, and who is at work on them.
func bothNeed() []need {
	return []need{
		{action: "getParameter", role: "clusterMonitor", why: "to read the feature compatibility version", cluster: true},
		{action: "replSetGetConfig", role: "clusterMonitor", why: "to tell the clusters apart", cluster: true},
		{action: "serverStatus", role: "clusterMonitor", why: "to see open transactions and a write block", cluster: true},
		{action: "inprog", role: "clusterMonitor", why: "to see index builds", cluster: true},
	}
}

func sourceNeeds(mode migration.SourceWrites) []need {
	needs := append(bothNeed(), []need{
		{action: "find", role: "backup", why: "to read every collection"},
		{action: "changeStream", role: "readAnyDatabase", why: "to follow changes"},
		{action: "listCollections", role: "backup", why: "to read the catalog"},
		{action: "listIndexes", role: "backup", why: "to read the catalog"},
		{action: "listDatabases", role: "backup", why: "to read the catalog", cluster: true},
		{action: "collStats", role: "clusterMonitor", why: "to measure the collections"},
		{action: "appendOplogNote", role: "backup", why: "to mark the end of the changes", cluster: true},
		{action: "useUUID", role: "backup", why: "to read collections that are renamed", cluster: true},
	}...)
	if mode == migration.BlockWrites {
		needs = append(needs, need{action: "setUserWriteBlockMode", role: "backup",
			why: "to block writes at cutover; or stop them yourself and give --source-writes stopped", cluster: true})
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
		{action: "listDatabases", role: "readWriteAnyDatabase", why: "to look at what is there", cluster: true},
		{action: "useUUID", role: "restore", why: "to look at collections that are renamed", cluster: true},
		{action: "convertToCapped", role: "readWriteAnyDatabase", why: "to create capped collections"},
		{action: "dropIndex", role: "readWriteAnyDatabase", why: "to apply changes of indexes"},
		{action: "renameCollectionSameDB", role: "readWriteAnyDatabase", why: "to apply renames"},
		{action: "bypassDocumentValidation", role: "restore", why: "to copy documents that a validator would refuse"},
	}...)
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
	missing := 0
	for _, n := range needs {
		if granted.allows(n) {
			continue
		}
		missing++
		c.block(check, "grant the role "+n.role+" on admin (docs/security.md)", "the user on the %s lacks %s, needed %s", client.Name(), n.action, n.why)
	}
	if missing == 0 {
		c.pass(check, "the user on the %s has every right it needs", client.Name())
	}
}

// grants are actions by whether they hold for the cluster or any database.
type grants struct{ cluster, anyDatabase map[string]bool }

func (g grants) allows(n need) bool {
	held := g.anyDatabase
	if n.cluster {
		held = g.cluster
	}
	return held[n.action] || held["anyAction"]
}

func privileges(reply bson.Raw) (grants, bool, error) {
	var status struct {
		AuthInfo struct {
			Users      []bson.Raw `bson:"authenticatedUsers"`
			Privileges []struct {
				Resource struct {
					Cluster     bool    `bson:"cluster"`
					AnyResource bool    `bson:"anyResource"`
					DB          *string `bson:"db"`
					Collection  *string `bson:"collection"`
				} `bson:"resource"`
				Actions []string `bson:"actions"`
			} `bson:"authenticatedUserPrivileges"`
		} `bson:"authInfo"`
	}
	g := grants{cluster: map[string]bool{}, anyDatabase: map[string]bool{}}
	if err := bson.Unmarshal(reply, &status); err != nil {
		return g, false, err
	}
	for _, p := range status.AuthInfo.Privileges {
		everywhere := p.Resource.DB != nil && *p.Resource.DB == "" && p.Resource.Collection != nil && *p.Resource.Collection == ""
		for _, action := range p.Actions {
			if p.Resource.Cluster || p.Resource.AnyResource {
				g.cluster[action] = true
			}
			if everywhere || p.Resource.AnyResource {
				g.anyDatabase[action] = true
			}
		}
	}
	return g, len(status.AuthInfo.Users) > 0, nil
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
