package devstack

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// startPatience bounds how long servers may take to start.
const startPatience = 60 * time.Second

// electionTimeoutMillis is how soon the members of a set of several miss their
// primary: soon, so that tests are quick, and not so soon that a busy machine
// looks like a lost one.
const electionTimeoutMillis = 2000

// ReplicaSetOptions say what to start. Binary is Mongod's when empty, Members is 1
// when 0. With Auth, the user admin with the password admin has the role root.
type ReplicaSetOptions struct {
	Name       string
	Members    int
	Binary     Binary
	CacheGB    float64
	Auth       bool
	OplogMB    int
	Standalone bool
	// FewFiles makes the server close files that were not used for some seconds: for
	// thousands of collections where the system allows it few files.
	FewFiles bool
	// Parameters are set as the server starts, name=value.
	Parameters []string
}

// ReplicaSet is a replica set, or a standalone server.
type ReplicaSet struct {
	opts    ReplicaSetOptions
	members []*Member
}

// StartReplicaSet starts servers, makes them a replica set and waits until it
// takes writes and every member follows.
func StartReplicaSet(ctx context.Context, o ReplicaSetOptions) (*ReplicaSet, error) {
	var err error
	if o.Binary.Path == "" {
		if o.Binary, err = Mongod(ctx); err != nil {
			return nil, err
		}
	}
	r := &ReplicaSet{opts: o}
	for range max(o.Members, 1) {
		m, err := newMember(&r.opts)
		if err != nil {
			return nil, err
		}
		r.members = append(r.members, m)
	}
	if err := r.start(ctx, true); err != nil {
		return nil, errors.Join(fmt.Errorf("start replica set %s: %w", o.Name, err), r.Kill())
	}
	return r, nil
}

// start starts all members and waits for a primary and for those that follow it.
func (r *ReplicaSet) start(ctx context.Context, first bool) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for _, m := range r.members {
		if err := m.launch(); err != nil {
			return err
		}
	}
	for _, m := range r.members {
		if err := m.awaitAnswer(ctx); err != nil {
			return err
		}
	}
	if r.opts.Standalone {
		return nil
	}
	if first {
		if err := r.members[0].command(ctx, bson.D{{Key: "replSetInitiate", Value: r.config()}}); err != nil {
			return fmt.Errorf("initiate: %w", err)
		}
	}
	for _, m := range r.members {
		if err := m.awaitPart(ctx); err != nil {
			return err
		}
	}
	primary, err := r.Primary(ctx)
	if err != nil || !first || !r.opts.Auth {
		return err
	}
	return primary.command(ctx, bson.D{
		{Key: "createUser", Value: "admin"}, {Key: "pwd", Value: "admin"}, {Key: "roles", Value: bson.A{"root"}},
		{Key: "writeConcern", Value: bson.D{{Key: "w", Value: "majority"}}},
	})
}

func (r *ReplicaSet) config() bson.D {
	members := bson.A{}
	for i, m := range r.members {
		members = append(members, bson.D{{Key: "_id", Value: i}, {Key: "host", Value: m.Host()}})
	}
	config := bson.D{{Key: "_id", Value: r.opts.Name}, {Key: "members", Value: members}}
	if len(r.members) == 1 {
		return config
	}
	return append(config, bson.E{Key: "settings", Value: bson.D{
		{Key: "electionTimeoutMillis", Value: electionTimeoutMillis}, {Key: "heartbeatIntervalMillis", Value: 250},
	}})
}

// Host is host:port of the first member.
func (r *ReplicaSet) Host() string { return r.members[0].Host() }

// URI connects to the set, with Auth as its administrator.
func (r *ReplicaSet) URI() string {
	if r.opts.Auth {
		return r.URIFor("admin", "admin")
	}
	return "mongodb://" + r.hosts() + "/" + r.query()
}

// URIFor connects as a user of the database admin.
func (r *ReplicaSet) URIFor(user, password string) string {
	return "mongodb://" + user + ":" + password + "@" + r.hosts() + "/" + r.query()
}

func (r *ReplicaSet) hosts() string {
	hosts := make([]string, len(r.members))
	for i, m := range r.members {
		hosts[i] = m.Host()
	}
	return strings.Join(hosts, ",")
}

func (r *ReplicaSet) query() string {
	if r.opts.Standalone {
		return ""
	}
	return "?replicaSet=" + r.opts.Name
}

// Process is the first member's process, for Pause and Continue.
func (r *ReplicaSet) Process() *Process { return r.members[0].Process() }

// Kill ends all members with SIGKILL.
func (r *ReplicaSet) Kill() error { return r.each((*Member).Kill) }

// Restart starts all members again, with the same ports and data.
func (r *ReplicaSet) Restart(ctx context.Context) error { return r.start(ctx, false) }

// Stop ends the servers and removes their data.
func (r *ReplicaSet) Stop() error { return r.each((*Member).stop) }

func (r *ReplicaSet) each(do func(*Member) error) error {
	var errs []error
	for _, m := range r.members {
		errs = append(errs, do(m))
	}
	return errors.Join(errs...)
}
