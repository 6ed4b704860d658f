package mongodb

import (
	"context"
	"net"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sys/unix"

	"mongoferry/internal/migration"
)

// spy keeps the connections that a dialer makes.
type spy struct {
	options.ContextDialer
	mu    sync.Mutex
	conns []net.Conn
}

func (s *spy) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := s.ContextDialer.DialContext(ctx, network, address)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.conns = append(s.conns, conn)
	}
	return conn, err
}

// TestDeadPeersAreFoundOut: every connection of a client in use carries the
// limits, as the system sees them.
func TestDeadPeersAreFoundOut(t *testing.T) {
	t.Parallel()
	var s *spy
	c, err := connect("source", migration.Endpoint{URI: start(t, sharedSet).URI()}, func(d options.ContextDialer) options.ContextDialer {
		s = &spy{ContextDialer: d}
		return s
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, c, "admin", bson.D{{Key: "ping", Value: 1}})
	s.mu.Lock()
	conns := s.conns
	s.mu.Unlock()
	if len(conns) < 2 { // the driver's own monitor, and the command's
		t.Fatalf("%d connections", len(conns))
	}
	for _, conn := range conns {
		raw, err := conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		err = raw.Control(func(fd uintptr) {
			for _, o := range []struct {
				name                string
				level, option, want int
			}{
				{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
				{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15},
				{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 5},
				{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 4},
				{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 30_000},
			} {
				if got, err := unix.GetsockoptInt(int(fd), o.level, o.option); err != nil || got != o.want {
					t.Errorf("%s is %d, want %d: %v", o.name, got, o.want, err)
				}
			}
		})
		if err != nil {
			t.Error(err)
		}
	}
	if err := c.Close(context.Background()); err != nil {
		t.Error(err)
	}
}
