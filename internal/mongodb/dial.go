package mongodb

import (
	"context"
	"net"
	"time"
)

// A network that swallows packets answers nothing, and a command would wait for
// the system's own limit, a quarter of an hour. These find a peer out that no
// longer acknowledges, within half a minute. A server that is merely busy, or was
// stopped, is waited for: its system acknowledges for it, as long as it has room for
// what is sent.
const (
	keepAliveIdle     = 15 * time.Second
	keepAliveInterval = 5 * time.Second
	keepAliveCount    = 4
	userTimeout       = 30 * time.Second
)

// dialer connects to servers; it implements the driver's options.ContextDialer.
type dialer struct{ net.Dialer }

func newDialer() *dialer {
	return &dialer{net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount,
	}}}
}

// DialContext connects, and gives up on the peer once what was sent to it has
// gone unacknowledged for userTimeout.
func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok { // a Unix socket
		return conn, nil
	}
	if err := setUserTimeout(tcp, userTimeout); err != nil {
		_ = conn.Close() // nobody has used it
		return nil, err
	}
	return conn, nil
}
