package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// startPatience bounds how long a server may take to start.
const startPatience = 60 * time.Second

// ReplicaSetOptions say what to start. Binary is Mongod's when empty. With Auth,
// the user admin with the password admin has the role root.
type ReplicaSetOptions struct {
	Name       string
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

// ReplicaSet is a replica set of one member, or a standalone server.
type ReplicaSet struct {
	opts    ReplicaSetOptions
	dir     string
	port    int
	process *Process
}

// StartReplicaSet starts a server, makes it a replica set and waits until it
// takes writes.
func StartReplicaSet(ctx context.Context, o ReplicaSetOptions) (*ReplicaSet, error) {
	var err error
	if o.Binary.Path == "" {
		if o.Binary, err = Mongod(ctx); err != nil {
			return nil, err
		}
	}
	r := &ReplicaSet{opts: o}
	if r.dir, err = TempDir(o.Name); err != nil {
		return nil, err
	}
	if r.port, err = FreePort(); err != nil {
		return nil, err
	}
	if o.Auth {
		if err := os.WriteFile(r.keyFile(), []byte("bm90YXNlY3JldA==notasecret"), 0o400); err != nil {
			return nil, err
		}
	}
	if err := r.start(ctx, true); err != nil {
		if r.process != nil {
			err = errors.Join(err, r.process.Kill())
		}
		return nil, fmt.Errorf("start replica set %s: %w", o.Name, err)
	}
	return r, nil
}

func (r *ReplicaSet) keyFile() string { return filepath.Join(r.dir, "keyfile") }

func (r *ReplicaSet) start(ctx context.Context, first bool) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	cache := r.opts.CacheGB
	if cache == 0 {
		cache = 0.25
	}
	args := []string{
		"--dbpath", r.dir, "--port", strconv.Itoa(r.port), "--bind_ip", "127.0.0.1", "--nounixsocket",
		"--wiredTigerCacheSizeGB", strconv.FormatFloat(cache, 'f', -1, 64),
		"--setParameter", "diagnosticDataCollectionEnabled=false", "--setParameter", "shutdownTimeoutMillisForSignaledShutdown=0",
	}
	if r.opts.FewFiles {
		args = append(args, "--wiredTigerEngineConfigString", "file_manager=(close_idle_time=3,close_scan_interval=1,close_handle_minimum=500)")
	}
	for _, p := range r.opts.Parameters {
		args = append(args, "--setParameter", p)
	}
	if !r.opts.Standalone {
		args = append(args, "--replSet", r.opts.Name)
		if r.opts.OplogMB > 0 {
			args = append(args, "--oplogSize", strconv.Itoa(r.opts.OplogMB))
		}
	}
	if r.opts.Auth {
		args = append(args, "--keyFile", r.keyFile())
	}
	var err error
	r.process, err = StartProcess(ProcessOptions{
		Path: r.opts.Binary.Path, Args: args, Env: r.opts.Binary.Env, LogFile: filepath.Join(r.dir, "mongod.log"),
	})
	if err != nil {
		return err
	}
	return r.awaitWritable(ctx, first)
}

// awaitWritable initiates the set if need be and waits for a primary.
func (r *ReplicaSet) awaitWritable(ctx context.Context, first bool) error {
	client, err := mongo.Connect(options.Client().ApplyURI(fmt.Sprintf("mongodb://%s/?directConnection=true", r.Host())))
	if err != nil {
		return err
	}
	defer func() { _ = client.Disconnect(ctx) }()
	if err := r.process.await(ctx, "wait for mongod", func() error { return client.Ping(ctx, nil) }); err != nil {
		return err
	}
	if r.opts.Standalone {
		return nil
	}
	admin := client.Database("admin")
	if first {
		config := bson.D{{Key: "_id", Value: r.opts.Name}, {Key: "members", Value: bson.A{bson.D{{Key: "_id", Value: 0}, {Key: "host", Value: r.Host()}}}}}
		if err := admin.RunCommand(ctx, bson.D{{Key: "replSetInitiate", Value: config}}).Err(); err != nil {
			return fmt.Errorf("initiate: %w", err)
		}
	}
	err = r.process.await(ctx, "wait for a primary", func() error {
		hello, err := admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Raw()
		if err != nil {
			return err
		}
		if writable, _ := hello.Lookup("isWritablePrimary").BooleanOK(); !writable {
			return errors.New("no primary yet")
		}
		return nil
	})
	if err != nil || !first || !r.opts.Auth {
		return err
	}
	return admin.RunCommand(ctx, bson.D{
		{Key: "createUser", Value: "admin"}, {Key: "pwd", Value: "admin"}, {Key: "roles", Value: bson.A{"root"}},
	}).Err()
}

// Host is host:port.
func (r *ReplicaSet) Host() string { return "127.0.0.1:" + strconv.Itoa(r.port) }

// URI connects to the set, with Auth as its administrator.
func (r *ReplicaSet) URI() string {
	if r.opts.Auth {
		return r.URIFor("admin", "admin")
	}
	return "mongodb://" + r.Host() + "/" + r.query()
}

// URIFor connects as a user of the database admin.
func (r *ReplicaSet) URIFor(user, password string) string {
	return "mongodb://" + user + ":" + password + "@" + r.Host() + "/" + r.query()
}

func (r *ReplicaSet) query() string {
	if r.opts.Standalone {
		return ""
	}
	return "?replicaSet=" + r.opts.Name
}

// Process is the server's process, for Pause and Continue.
func (r *ReplicaSet) Process() *Process { return r.process }

// Kill ends the server with SIGKILL.
func (r *ReplicaSet) Kill() error { return r.process.Kill() }

// Restart starts it again with the same port and data.
func (r *ReplicaSet) Restart(ctx context.Context) error { return r.start(ctx, false) }

// Stop ends the server and removes its data.
func (r *ReplicaSet) Stop() error {
	// Its data is not wanted any more: no need for an orderly end.
	return errors.Join(r.process.Kill(), os.RemoveAll(r.dir))
}
