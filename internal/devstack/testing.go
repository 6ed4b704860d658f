package devstack

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
)

// Main runs the tests of a package, with the servers' data in memory where there is
// room, and removes what they leave, also when they are interrupted. Use it in TestMain: os.Exit(devstack.Main(m)).
func Main(m *testing.M) int {
	if parent := inMemory(); parent != "" {
		dataParent = parent
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-interrupted
		_ = Shutdown() // the next process sweeps what is left
		os.Exit(130)
	}()
	code := m.Run()
	if err := Shutdown(); err != nil {
		fmt.Fprintln(os.Stderr, "clean up after the tests:", err)
	}
	return code
}

// NewReplicaSet starts a replica set for a test and stops it at its end.
func NewReplicaSet(t testing.TB, o ReplicaSetOptions) *ReplicaSet {
	t.Helper()
	r, err := StartReplicaSet(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// NewOldReplicaSet starts a replica set of mongod 6.0.5 for a test and stops it at its end.
func NewOldReplicaSet(t testing.TB) *ReplicaSet {
	t.Helper()
	old, err := OldMongod(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return NewReplicaSet(t, ReplicaSetOptions{Name: "old", Binary: old})
}

// NewTemporal starts Temporal for a test and stops it at its end.
func NewTemporal(t testing.TB) *TemporalServer {
	t.Helper()
	s, err := StartTemporal(context.Background(), TemporalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// NewProxy puts a proxy before a server for a test and stops it at its end.
func NewProxy(t testing.TB, to string) *Proxy {
	t.Helper()
	p, err := StartProxy(to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}
