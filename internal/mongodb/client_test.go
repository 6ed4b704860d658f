package mongodb

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
)

func TestResolve(t *testing.T) {
	path := write(t, "uri", "  mongodb://file:1/ \n")
	t.Setenv("MONGOFERRY_TEST_URI", "mongodb://env:1/")
	cases := []struct{ uri, want, fault string }{
		{"mongodb://plain:1/", "mongodb://plain:1/", ""},
		{"env:MONGOFERRY_TEST_URI", "mongodb://env:1/", ""},
		{"env:MONGOFERRY_TEST_NONE", "", "environment variable MONGOFERRY_TEST_NONE of the worker is empty"},
		{"file:" + path, "mongodb://file:1/", ""},
		{"file:" + path + ".none", "", "on the worker's machine"},
	}
	for _, tc := range cases {
		got, err := Resolve(migration.Endpoint{URI: tc.uri})
		if got != tc.want {
			t.Errorf("%s: got %q", tc.uri, got)
		}
		if (tc.fault != "") != (err != nil) || err != nil && !strings.Contains(err.Error(), tc.fault) {
			t.Errorf("%s: got %v, want %q", tc.uri, err, tc.fault)
		}
		if err != nil && migration.KindOf(err) != migration.BadConfiguration {
			t.Errorf("%s: got kind %q", tc.uri, migration.KindOf(err))
		}
	}
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Every refusal is one line that names the side, says what is wrong and holds no
// password.
func TestConnectionRefusals(t *testing.T) {
	t.Parallel()
	set := start(t, sharedSet)
	const quick = "&serverSelectionTimeoutMS=300"
	run(t, server(t), "admin", bson.D{{Key: "createUser", Value: "weak"}, {Key: "pwd", Value: "hunter2"}, {Key: "roles", Value: bson.A{}}})
	cases := []struct {
		name     string
		endpoint migration.Endpoint
		kind     migration.FaultKind
		want     []string
	}{
		{"no connection string", migration.Endpoint{URI: "postgres://u:hunter2@h/"}, migration.BadConfiguration, []string{"connection string"}},
		{"bad option", migration.Endpoint{URI: "mongodb://u:hunter2@h/?authMechanism=NONE"}, migration.BadConfiguration, []string{"not valid"}},
		{"no CA file", migration.Endpoint{URI: "mongodb://h/", TLSCAFile: "/nowhere/ca.pem"}, migration.BadConfiguration, []string{"TLS CA file", "/nowhere/ca.pem"}},
		{"CA file without PEM", migration.Endpoint{URI: "mongodb://h/", TLSCAFile: write(t, "ca.pem", "nothing")}, migration.BadConfiguration, []string{"TLS CA file", "holds no PEM certificate"}},
		{"wrong password", migration.Endpoint{URI: set.URIFor("admin", "hunter2")}, migration.AccessDenied, []string{set.Host(), "authentication failed", "check user, password and authSource"}},
		{"no right", migration.Endpoint{URI: set.URIFor("weak", "hunter2")}, migration.AccessDenied, []string{"lacks a right", "docs/security.md"}},
		{"nobody there", migration.Endpoint{URI: "mongodb://u:hunter2@127.0.0.1:1/?replicaSet=rs" + quick}, "", []string{"127.0.0.1:1", "connection refused"}},
		{"no such host", migration.Endpoint{URI: "mongodb://u:hunter2@nowhere.invalid/?replicaSet=rs" + quick}, "", []string{"nowhere.invalid", "no such host"}},
		{"another replica set", migration.Endpoint{URI: strings.Replace(set.URI(), "=shared", "=other", 1) + quick}, "", []string{set.Host(), `none of the hosts is a member of the replica set "other"`}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := reach(t, tc.endpoint)
			if err == nil {
				t.Fatal("got no error")
			}
			text := err.Error()
			if migration.KindOf(err) != tc.kind || IsTransient(err) != (tc.kind == "") {
				t.Errorf("got kind %q, transient %t", migration.KindOf(err), IsTransient(err))
			}
			for _, part := range append(tc.want, "source") {
				if !strings.Contains(text, part) {
					t.Errorf("%q is not in: %s", part, text)
				}
			}
			if strings.Contains(text, "hunter2") || strings.Contains(text, "\n") {
				t.Errorf("not one line without a password: %s", text)
			}
			t.Log(text)
		})
	}
}

// reach connects as the source and reads something that needs a right.
func reach(t *testing.T, e migration.Endpoint) error {
	t.Helper()
	c, err := Connect("source", e)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(t.Context()) }()
	_, err = c.Run(t.Context(), "admin", bson.D{{Key: "find", Value: "system.version"}})
	return err
}

func TestClientTellsOfItself(t *testing.T) {
	t.Parallel()
	ca := authority(t)
	cases := []struct {
		name     string
		endpoint migration.Endpoint
		tls      bool
	}{
		{"plain", migration.Endpoint{URI: "mongodb://u:hunter2@127.0.0.1:1/"}, false},
		{"tls by the connection string", migration.Endpoint{URI: "mongodb://u:hunter2@127.0.0.1:1/?tls=true"}, true},
		{"tls by the CA file", migration.Endpoint{URI: "mongodb://u:hunter2@127.0.0.1:1/", TLSCAFile: ca}, true},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c, err := Connect("source", tc.endpoint)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close(t.Context()) })
			if c.Name() != "source" || c.TLS() != tc.tls || strings.Contains(c.Address().String(), "hunter2") {
				t.Errorf("got %s, TLS %t, %s", c.Name(), c.TLS(), c.Address())
			}
		})
	}
}

// authority makes a CA certificate in a PEM file.
func authority(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

// Whatever the connection string asks for, the server sees majority and
// journaled, and we see its reply.
func TestWriteConcernIsOurs(t *testing.T) {
	t.Parallel()
	uri := start(t, sharedSet).URI()
	for name, option := range map[string]string{
		"unset": "", "unacknowledged": "&w=0", "unjournaled": "&w=1&journal=false", "with a timeout": "&w=1&wtimeoutMS=1", "no retries": "&retryWrites=false",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, uri+option)
			db := "wc_" + strings.ReplaceAll(name, " ", "_")
			run(t, c, db, bson.D{{Key: "profile", Value: 2}})
			reply, err := slot(t, c, 1).Write(t.Context(), db, insertCommand(t, 1))
			if err != nil || reply.N != 1 {
				t.Fatalf("got %+v, %v", reply, err)
			}
			run(t, c, db, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: 2}}}}, Durable()})
			seen, err := All(t.Context(), c, db, bson.D{{Key: "find", Value: "system.profile"}, {Key: "filter", Value: bson.D{{Key: "op", Value: "insert"}}}})
			if err != nil || len(seen) != 2 {
				t.Fatalf("the profiler saw %d inserts, %v", len(seen), err)
			}
			for _, s := range seen {
				concern := s.Lookup("command", "writeConcern").Document()
				if len(concern) != len(durable) || string(concern) != string(durable) {
					t.Errorf("the server saw the write concern %s", concern)
				}
			}
		})
	}
}

func TestRunEncodesInOrder(t *testing.T) {
	t.Parallel()
	c := server(t)
	if _, err := c.Run(t.Context(), "admin", make(chan int)); err == nil || !strings.Contains(err.Error(), "encode command") {
		t.Errorf("got %v", err)
	}
	if _, err := c.RunRaw(t.Context(), "admin", marshal(t, bson.D{})); err == nil {
		t.Error("an empty command was accepted")
	}
}
