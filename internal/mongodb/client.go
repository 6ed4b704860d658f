// Package mongodb is the ground the engine stands on: connections, raw
// commands, fenced writes, error classes, retries and what a cluster says of
// itself.
//
// Commands are sent without a driver session, so that this package decides
// which logical session and transaction number a write carries (see Slot).
package mongodb

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/description"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"mongoferry/internal/migration"
)

// serverSelectionTimeout bounds how long one command waits for a primary;
// Retry goes on beyond it.
const serverSelectionTimeout = 10 * time.Second

// messageSlack is beyond what the driver puts around a command: a message that
// grows is held twice.
const messageSlack = 1 << 10

// Client speaks to one cluster. It is safe for concurrent use.
type Client struct {
	deployment *topology.Topology
	api        *driver.ServerAPIOptions
	gate       migration.Gate
	name       string
	address    migration.URI
	tls        bool
	nearest    *atomic.Int64 // see RoundTrip
}

// Resolve gives the connection string behind an endpoint: itself, or what its
// env: or file: reference holds on this machine.
func Resolve(e migration.Endpoint) (string, error) {
	kind, place, _ := strings.Cut(e.URI, ":")
	switch kind {
	case "env":
		value := os.Getenv(place)
		if value == "" {
			return "", migration.NewFault(migration.BadConfiguration,
				fmt.Sprintf("environment variable %s of the worker is empty: set it to the connection string", place))
		}
		return value, nil
	case "file":
		content, err := os.ReadFile(place)
		if err != nil {
			return "", &migration.Fault{Kind: migration.BadConfiguration,
				Message: "read the connection string on the worker's machine", Err: err}
		}
		return strings.TrimSpace(string(content)), nil
	default:
		return e.URI, nil
	}
}

// Connect prepares a client for the named side ("source" or "destination"). It
// reaches out in the background: the first command tells whether it works.
func Connect(name string, e migration.Endpoint) (*Client, error) {
	return connect(name, e, func(d options.ContextDialer) options.ContextDialer { return d })
}

// connect is Connect with a look at the dialer, for tests.
func connect(name string, e migration.Endpoint, through func(options.ContextDialer) options.ContextDialer) (*Client, error) {
	uri, err := Resolve(e)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	opts := options.Client().ApplyURI(uri).SetAppName("mongoferry").SetDialer(through(newDialer()))
	if opts.ServerSelectionTimeout == nil {
		opts.SetServerSelectionTimeout(serverSelectionTimeout)
	}
	if e.TLSCAFile != "" {
		if err := addCA(opts, e.TLSCAFile); err != nil {
			return nil, &migration.Fault{Kind: migration.BadConfiguration, Message: name + ": read the TLS CA file", Err: err}
		}
	}
	if err := opts.Validate(); err != nil {
		fault := migration.NewFault(migration.BadConfiguration, name+": the connection string is not valid")
		if !strings.Contains(uri, "@") { // the parser quotes what it stumbles over
			fault.Err = migration.RedactError(err)
		}
		return nil, fault
	}
	cfg, err := topology.NewConfig(opts, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: configure the connection: %w", name, migration.RedactError(err))
	}
	top, err := topology.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("%s: configure the connection: %w", name, migration.RedactError(err))
	}
	if err := top.Connect(); err != nil {
		return nil, fmt.Errorf("%s: connect: %w", name, migration.RedactError(err))
	}
	return &Client{
		deployment: top, nearest: &atomic.Int64{}, name: name, address: migration.URI(uri), tls: opts.TLSConfig != nil,
		api: topology.ServerAPIFromServerOptions(serverSelectionTimeout, cfg.ServerOpts),
	}, nil
}

// Name is the side this client speaks to: "source" or "destination".
func (c *Client) Name() string { return c.name }

// Address is where the client connects to; it prints redacted.
func (c *Client) Address() migration.URI { return c.address }

// TLS says whether connections are encrypted.
func (c *Client) TLS() bool { return c.tls }

// WithGate gives a client on the same connections that sends no command while
// the gate is shut.
func (c *Client) WithGate(gate migration.Gate) *Client {
	gated := *c
	gated.gate = gate
	return &gated
}

// RoundTrip is how long a message to the primary and back takes: the least of the
// driver's averages so far, since an average grows when the server is busy. 0 while
// nothing is known.
func (c *Client) RoundTrip() time.Duration {
	for _, s := range c.deployment.Description().Servers {
		if !s.AverageRTTSet || !slices.Contains(primaries, s.Kind) {
			continue
		}
		for {
			least := c.nearest.Load()
			if least > 0 && least <= int64(s.AverageRTT) || c.nearest.CompareAndSwap(least, int64(s.AverageRTT)) {
				break
			}
		}
	}
	return time.Duration(c.nearest.Load())
}

// primaries are the kinds of servers that are written to.
var primaries = []description.ServerKind{description.ServerKindRSPrimary, description.ServerKindMongos, description.ServerKindStandalone}

// Close ends all connections.
func (c *Client) Close(ctx context.Context) error { return c.deployment.Disconnect(ctx) }

// Run sends a command to the primary once, and returns its whole reply. The
// command is a bson.D or anything else that marshals to an ordered document;
// concerns are part of it. A reply with ok:0 or a write concern error is an
// Error; write errors are the caller's to read from the reply.
func (c *Client) Run(ctx context.Context, db string, command any) (bson.Raw, error) {
	raw, err := bson.Marshal(command)
	if err != nil {
		return nil, fmt.Errorf("encode command: %w", err)
	}
	return c.RunRaw(ctx, db, raw)
}

// RunRaw is Run for a command that is bytes already.
func (c *Client) RunRaw(ctx context.Context, db string, command bson.Raw) (bson.Raw, error) {
	return c.send(ctx, db, command, nil)
}

// send is RunRaw of a command to which documents belong, under that name: they go into
// the message as they are, without a copy in between. Nil is none.
func (c *Client) send(ctx context.Context, db string, command bson.Raw, documents bson.RawArray) (bson.Raw, error) {
	if c.gate != nil {
		if err := c.gate.Check(); err != nil {
			return nil, err
		}
	}
	var reply bson.Raw
	op := driver.Operation{
		CommandFn: func(dst []byte, _ description.SelectedServer) ([]byte, error) {
			// The driver has opened a document and closes it itself: hand over
			// the elements between length and terminator.
			dst = slices.Grow(dst, len(command)+len(documents)+messageSlack)
			dst = append(dst, command[4:len(command)-1]...)
			if documents != nil {
				dst = bsoncore.AppendArrayElement(dst, "documents", bsoncore.Array(documents))
			}
			return dst, nil
		},
		ProcessResponseFn: func(_ context.Context, response bsoncore.Document, _ driver.ResponseInfo) error {
			// It was read into a buffer of its own, which nobody else keeps.
			reply = bson.Raw(response)
			return nil
		},
		Database:      db,
		Deployment:    c.deployment,
		ServerAPI:     c.api,
		Type:          driver.Write,
		OmitMaxTimeMS: true,
	}
	err := op.Execute(ctx)
	return reply, c.asError(commandName(command), db, reply, err)
}

func commandName(command bson.Raw) string {
	first, err := command.IndexErr(0)
	if err != nil {
		return "command"
	}
	return first.Key()
}
