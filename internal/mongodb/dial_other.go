//go:build !linux

package mongodb

import (
	"net"
	"time"
)

// setUserTimeout does nothing: this system has no such limit, keep-alive alone
// must find a dead peer out.
func setUserTimeout(*net.TCPConn, time.Duration) error { return nil }
