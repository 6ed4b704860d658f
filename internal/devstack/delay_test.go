package devstack_test

import (
	"io"
	"net"
	"testing"
	"time"

	"mongoferry/internal/devstack"
)

// TestDelay: what goes through a delaying proxy comes later by the delay, and all the
// same as fast as it was sent: many chunks take one delay, not one each.
func TestDelay(t *testing.T) {
	t.Parallel()
	const oneWay, size = 50 * time.Millisecond, 16 << 20
	proxy := devstack.NewProxy(t, echo(t))
	proxy.Delay(oneWay)
	c, err := net.Dial("tcp", proxy.Host())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // the server ends it too
	exchange := func(n int) time.Duration {
		start := time.Now()
		go func() { _, _ = c.Write(make([]byte, n)) }() // a failure shows in the answer
		if _, err := io.ReadFull(c, make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		return time.Since(start)
	}
	if took := exchange(1); took < 2*oneWay {
		t.Errorf("a round trip took %s, want at least %s", took, 2*oneWay)
	}
	// A sleep for each of the 256 chunks would take 12 seconds and more.
	if took := exchange(size); took > 5*time.Second {
		t.Errorf("%d MB there and back took %s", size>>20, took)
	}
}

// echo listens and sends back whatever comes.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // nobody is left to be told
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c) }() // ends with the connection
		}
	}()
	return l.Addr().String()
}
