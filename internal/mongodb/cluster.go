package mongodb

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
)

// Topology is the shape of a deployment.
type Topology string

// The topologies a server can report.
const (
	Standalone Topology = "standalone"
	ReplicaSet Topology = "replicaSet"
	Sharded    Topology = "sharded"
)

// Version is a server version.
type Version struct{ Major, Minor, Patch int }

// ParseVersion reads "6.0.27"; what follows a dash is ignored.
func ParseVersion(s string) (Version, error) {
	plain, _, _ := strings.Cut(s, "-")
	parts := strings.Split(plain, ".")
	if len(parts) < 3 {
		return Version{}, fmt.Errorf("server version %q: want major.minor.patch", s)
	}
	var n [3]int
	for i := range n {
		v, err := strconv.Atoi(parts[i])
		if err != nil {
			return Version{}, fmt.Errorf("server version %q: %w", s, err)
		}
		n[i] = v
	}
	return Version{n[0], n[1], n[2]}, nil
}

// String is "major.minor.patch".
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// Series is "major.minor".
func (v Version) Series() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// AtLeast says whether v is w or later.
func (v Version) AtLeast(w Version) bool {
	if v.Major != w.Major {
		return v.Major > w.Major
	}
	if v.Minor != w.Minor {
		return v.Minor > w.Minor
	}
	return v.Patch >= w.Patch
}

// Cluster is what a deployment says of itself.
type Cluster struct {
	Version Version
	// FCV is as FeatureCompatibility gives it.
	FCV      string
	Topology Topology
	// Identity tells deployments apart whatever their hosts are called: the
	// replica set's id. Empty for a standalone.
	Identity string
	SetName  string
	// WritesBlocked says whether setUserWriteBlockMode is in force.
	WritesBlocked bool
}

// Inspect asks the deployment for version, topology, FCV and identity.
func Inspect(ctx context.Context, c *Client) (Cluster, error) {
	hello, err := c.Run(ctx, "admin", bson.D{{Key: "hello", Value: 1}})
	if err != nil {
		return Cluster{}, err
	}
	info, err := c.Run(ctx, "admin", bson.D{{Key: "buildInfo", Value: 1}})
	if err != nil {
		return Cluster{}, err
	}
	text, _ := info.Lookup("version").StringValueOK()
	version, err := ParseVersion(text)
	if err != nil {
		return Cluster{}, fmt.Errorf("%s: %w", c.name, err)
	}
	cluster := Cluster{Version: version, Topology: topologyOf(hello)}
	if cluster.Topology == Sharded {
		return cluster, nil
	}
	if cluster.FCV, err = FeatureCompatibility(ctx, c); err != nil {
		return Cluster{}, err
	}
	if cluster.Topology == Standalone {
		return cluster, nil
	}
	cluster.SetName, _ = hello.Lookup("setName").StringValueOK()
	if cluster.Identity, err = replicaSetID(ctx, c); err != nil {
		return Cluster{}, err
	}
	cluster.WritesBlocked, err = WritesBlocked(ctx, c)
	return cluster, err
}

func topologyOf(hello bson.Raw) Topology {
	if msg, _ := hello.Lookup("msg").StringValueOK(); msg == "isdbgrid" {
		return Sharded
	}
	if _, ok := hello.Lookup("setName").StringValueOK(); ok {
		return ReplicaSet
	}
	return Standalone
}

// replicaSetID is the id that a set gets when it is first initiated.
func replicaSetID(ctx context.Context, c *Client) (string, error) {
	reply, err := c.Run(ctx, "admin", bson.D{{Key: "replSetGetConfig", Value: 1}})
	if err != nil {
		return "", err
	}
	id, ok := reply.Lookup("config", "settings", "replicaSetId").ObjectIDOK()
	if !ok {
		return "", errors.New(c.name + ": the replica set's configuration has no settings.replicaSetId")
	}
	return id.Hex(), nil
}

// MajorityOpTime is the last operation that a majority of the members holds.
func MajorityOpTime(ctx context.Context, c *Client) (migration.OpTime, error) {
	hello, err := c.Run(ctx, "admin", bson.D{{Key: "hello", Value: 1}})
	if err != nil {
		return migration.OpTime{}, err
	}
	t, i, ok := hello.Lookup("lastWrite", "majorityOpTime", "ts").TimestampOK()
	if !ok {
		return migration.OpTime{}, fmt.Errorf("%s: hello shows no lastWrite.majorityOpTime: is it a replica set?", c.name)
	}
	return migration.OpTime{T: t, I: i}, nil
}

// ReadableOpTime is a time that no majority read made before can have passed,
// also when another member answered it.
func ReadableOpTime(ctx context.Context, c *Client) (migration.OpTime, error) {
	hello, err := c.Run(ctx, "admin", bson.D{{Key: "hello", Value: 1}})
	if err != nil {
		return migration.OpTime{}, err
	}
	t, i, _ := hello.Lookup("operationTime").TimestampOK()
	m, n, _ := hello.Lookup("lastWrite", "majorityOpTime", "ts").TimestampOK()
	return migration.Later(migration.OpTime{T: t, I: i}, migration.OpTime{T: m, I: n}), nil
}

// AppendNote writes a no-op with a message into the oplog, waits until a
// majority holds it, and gives a time that is not before it.
func AppendNote(ctx context.Context, c *Client, message string) (migration.OpTime, error) {
	reply, err := c.Run(ctx, "admin", bson.D{
		{Key: "appendOplogNote", Value: 1},
		{Key: "data", Value: bson.D{{Key: "mongoferry", Value: message}}},
		Durable(),
	})
	if err != nil {
		return migration.OpTime{}, err
	}
	t, i, ok := reply.Lookup("operationTime").TimestampOK()
	if !ok {
		// A server that has just started and cannot sign times yet leaves this
		// out. The note is on a majority: the majority's time is not before it.
		return MajorityOpTime(ctx, c)
	}
	return migration.OpTime{T: t, I: i}, nil
}

// WritesBlocked reads whether setUserWriteBlockMode is in force.
func WritesBlocked(ctx context.Context, c *Client) (bool, error) {
	reply, err := c.Run(ctx, "admin", bson.D{{Key: "serverStatus", Value: 1}, {Key: "repl", Value: 1}})
	if err != nil {
		return false, err
	}
	mode, ok := reply.Lookup("repl", "userWriteBlockMode").AsInt64OK()
	return ok && mode == 2, nil
}
