package devstack

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports are taken from below those that the kernel gives to outgoing
// connections, or one of these could sit on a server's port while that is
// restarted.
const (
	firstPort = 12_000
	lastPort  = 32_000
)

// given are the ports that this process has been given.
var given sync.Map

// FreePort gives a port of 127.0.0.1 that nobody listens on, and never the same
// twice.
func FreePort() (int, error) {
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort) //nolint:gosec // no secret
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue // somebody is there
		}
		if err := l.Close(); err != nil {
			return 0, fmt.Errorf("find a free port: %w", err)
		}
		return port, nil
	}
	return 0, errors.New("find a free port: none of 100 was")
}
