package devstack

import (
	"io"
	"time"
)

// delayedChunks bounds what is on its way in one direction of a connection, at 64 KiB
// each: a gigabyte a second at 50 ms, so that a delay does not limit the throughput.
const delayedChunks = 1024

// Delay makes everything on connections made from now on come so much later, in each
// direction; as much passes as before. A command's round trip takes twice that.
func (p *Proxy) Delay(oneWay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = oneWay
}

func (p *Proxy) latency() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.delay
}

// chunk is bytes on their way, and when they are there.
type chunk struct {
	data []byte
	due  time.Time
}

// pumpLate hands on what comes when its time has come. What was sent before the
// sender's end is still delivered, as a network does.
func (p *Proxy) pumpLate(to io.Writer, from io.Reader, delay time.Duration) {
	underway := make(chan chunk, delayedChunks)
	broken := make(chan struct{})
	go func() {
		defer close(underway)
		for {
			buffer := make([]byte, 64<<10)
			n, err := from.Read(buffer)
			if n > 0 && p.now() == passing {
				select {
				case underway <- chunk{buffer[:n], time.Now().Add(delay)}:
				case <-broken:
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	defer close(broken)
	for c := range underway {
		time.Sleep(time.Until(c.due))
		if _, err := to.Write(c.data); err != nil {
			return
		}
	}
}
