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

// probePatience bounds one question to a member, which may be paused.
const probePatience = time.Second

// Member is one server of a replica set.
type Member struct {
	opts    *ReplicaSetOptions
	dir     string
	port    int
	process *Process
}

func newMember(o *ReplicaSetOptions) (*Member, error) {
	m := &Member{opts: o}
	var err error
	if m.dir, err = dataDir(o.Name); err != nil {
		return nil, err
	}
	if m.port, err = FreePort(); err != nil {
		return nil, err
	}
	if o.Auth {
		// The members of a set know each other by its content.
		return m, os.WriteFile(m.keyFile(), []byte("bm90YXNlY3JldA==notasecret"), 0o400)
	}
	return m, nil
}

func (m *Member) keyFile() string { return filepath.Join(m.dir, "keyfile") }

func (m *Member) launch() error {
	cache := m.opts.CacheGB
	if cache == 0 {
		cache = 0.25
	}
	args := []string{
		"--dbpath", m.dir, "--port", strconv.Itoa(m.port), "--bind_ip", "127.0.0.1", "--nounixsocket",
		"--wiredTigerCacheSizeGB", strconv.FormatFloat(cache, 'f', -1, 64),
		"--setParameter", "diagnosticDataCollectionEnabled=false", "--setParameter", "shutdownTimeoutMillisForSignaledShutdown=0",
	}
	if m.opts.FewFiles {
		args = append(args, "--wiredTigerEngineConfigString", "file_manager=(close_idle_time=3,close_scan_interval=1,close_handle_minimum=500)")
	}
	for _, p := range m.opts.Parameters {
		args = append(args, "--setParameter", p)
	}
	if !m.opts.Standalone {
		args = append(args, "--replSet", m.opts.Name)
		if m.opts.OplogMB > 0 {
			// It is cut off only up to the last checkpoint, of which there is one a minute.
			args = append(args, "--oplogSize", strconv.Itoa(m.opts.OplogMB), "--syncdelay", "1")
		}
	}
	if m.opts.Auth {
		args = append(args, "--keyFile", m.keyFile())
	}
	var err error
	m.process, err = StartProcess(ProcessOptions{
		Path: m.opts.Binary.Path, Args: args, Env: m.opts.Binary.Env, LogFile: filepath.Join(m.dir, "mongod.log"),
	})
	return err
}

// Host is host:port.
func (m *Member) Host() string { return "127.0.0.1:" + strconv.Itoa(m.port) }

// URI connects to this member alone, with Auth as the administrator.
func (m *Member) URI() string {
	if m.opts.Auth {
		return "mongodb://admin:admin@" + m.Host() + "/?directConnection=true"
	}
	return "mongodb://" + m.Host() + "/?directConnection=true"
}

// Process is the member's process.
func (m *Member) Process() *Process { return m.process }

// Kill ends the member with SIGKILL, also when it is paused.
func (m *Member) Kill() error {
	if m.process == nil {
		return nil
	}
	return m.process.Kill()
}

// Restart starts it again with the same port and data, and waits until it is
// primary or follows one.
func (m *Member) Restart(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	if err := m.launch(); err != nil {
		return err
	}
	if err := m.awaitAnswer(ctx); err != nil {
		return err
	}
	return m.awaitPart(ctx)
}

// Pause stops it with SIGSTOP: to the others it is as good as cut off.
func (m *Member) Pause() error { return m.process.Pause() }

// Continue lets it go on after Pause.
func (m *Member) Continue() error { return m.process.Continue() }

// stop ends the member and removes its data.
func (m *Member) stop() error {
	// Its data is not wanted any more: no need for an orderly end.
	return errors.Join(m.Kill(), os.RemoveAll(m.dir))
}

func (m *Member) awaitAnswer(ctx context.Context) error {
	return m.process.await(ctx, "wait for mongod", func() error {
		_, err := m.hello(ctx)
		return err
	})
}

// awaitPart waits until the member is primary, or follows one.
func (m *Member) awaitPart(ctx context.Context) error {
	return m.process.await(ctx, "wait for the replica set", func() error {
		hello, err := m.hello(ctx)
		if err != nil {
			return err
		}
		for _, part := range []string{"isWritablePrimary", "secondary"} {
			if plays, _ := hello.Lookup(part).BooleanOK(); plays {
				return nil
			}
		}
		return errors.New("it is neither primary nor secondary yet")
	})
}

func (m *Member) hello(ctx context.Context) (bson.Raw, error) {
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	var reply bson.Raw
	err := m.with("mongodb://"+m.Host()+"/?directConnection=true", func(c *mongo.Client) error {
		var err error
		reply, err = c.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Raw()
		return err
	})
	return reply, err
}

// command runs a command on the member's database admin, without a user: what a
// new set allows on its own machine.
func (m *Member) command(ctx context.Context, command bson.D) error {
	return m.with("mongodb://"+m.Host()+"/?directConnection=true", func(c *mongo.Client) error {
		return c.Database("admin").RunCommand(ctx, command).Err()
	})
}

// Run runs a command on the member's database admin, with Auth as the
// administrator.
func (m *Member) Run(ctx context.Context, command bson.D) (reply bson.Raw, err error) {
	err = m.with(m.URI(), func(c *mongo.Client) error {
		reply, err = c.Database("admin").RunCommand(ctx, command).Raw()
		return err
	})
	return reply, err
}

func (m *Member) with(uri string, do func(*mongo.Client) error) error {
	client, err := mongo.Connect(options.Client().ApplyURI(uri).SetServerSelectionTimeout(startPatience))
	if err != nil {
		return err
	}
	defer func() { _ = client.Disconnect(context.Background()) }()
	if err := do(client); err != nil {
		return fmt.Errorf("%s: %w", m.Host(), err)
	}
	return nil
}
