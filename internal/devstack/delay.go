package devstack

import (
	"io"
	"sync"
	"time"
)

// delayedChunks bounds what is on its way in one direction of a connection: a gigabyte a
// second at 50 ms, so that a delay does not limit the throughput.
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
	buffer *[chunkSize]byte
	n      int
	due    time.Time
}

// chunkSize is what is read at once. Buffers are used again, so that a delay costs
// little of the machine.
const chunkSize = 64 << 10

var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// pumpLate hands on what comes when its time has come. What was sent before the
// sender's end is still delivered, as a network does.
func (p *Proxy) pumpLate(to io.Writer, from io.Reader, delay time.Duration) {
	underway := make(chan chunk, delayedChunks)
	broken := make(chan struct{})
	go func() {
		defer close(underway)
		for {
			buffer := chunks.Get().(*[chunkSize]byte)
			n, err := from.Read(buffer[:])
			if n > 0 && p.now() == passing {
				select {
				case underway <- chunk{buffer, n, time.Now().Add(delay)}:
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
		_, err := to.Write(c.buffer[:c.n])
		chunks.Put(c.buffer)
		if err != nil {
			return
		}
	}
}
