package preflight

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
)

// scope is what a right is about. The server's own collections are not among the
// collections of any database.
type scope int

const (
	collections scope = iota // every collection of every database
	cluster
	buckets   // those behind time-series collections
	functions // system.js of every database
)

// grants are actions by what they hold for.
type grants map[scope]map[string]bool

func (g grants) allows(n need) bool { return g[n.on][n.action] || g[n.on]["anyAction"] }

func (g grants) add(on scope, action string) {
	if g[on] == nil {
		g[on] = map[string]bool{}
	}
	g[on][action] = true
}

// resource is what a privilege is about, as the server tells it.
type resource struct {
	Cluster     bool    `bson:"cluster"`
	AnyResource bool    `bson:"anyResource"`
	DB          *string `bson:"db"`
	Collection  *string `bson:"collection"`
	Buckets     *string `bson:"system_buckets"`
}

// scopes are those that a resource covers entirely.
func (r resource) scopes() []scope {
	is := func(s *string, want string) bool { return s != nil && *s == want }
	anyDB := r.DB == nil || *r.DB == ""
	switch {
	case r.AnyResource:
		return []scope{collections, cluster, buckets, functions}
	case r.Cluster:
		return []scope{cluster}
	case anyDB && is(r.Buckets, ""):
		return []scope{buckets}
	case is(r.DB, "") && is(r.Collection, ""):
		return []scope{collections}
	case is(r.DB, "") && is(r.Collection, migration.StoredFunctions):
		return []scope{functions}
	default:
		return nil
	}
}

func privileges(reply bson.Raw) (grants, bool, error) {
	var status struct {
		AuthInfo struct {
			Users      []bson.Raw `bson:"authenticatedUsers"`
			Privileges []struct {
				Resource resource `bson:"resource"`
				Actions  []string `bson:"actions"`
			} `bson:"authenticatedUserPrivileges"`
		} `bson:"authInfo"`
	}
	g := grants{}
	if err := bson.Unmarshal(reply, &status); err != nil {
		return g, false, err
	}
	for _, p := range status.AuthInfo.Privileges {
		for _, on := range p.Resource.scopes() {
			for _, action := range p.Actions {
				g.add(on, action)
			}
		}
	}
	return g, len(status.AuthInfo.Users) > 0, nil
}
