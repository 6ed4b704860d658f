package devstack

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Proxy stands between clients and one server, and can cut them off from each
// other. Members of a set tell clients their own addresses: connect through it
// with directConnection=true.
type Proxy struct {
	to       string
	listener net.Listener

	mu    sync.Mutex
	state proxyState
	delay time.Duration
	open  map[net.Conn]bool
	wg    sync.WaitGroup
}

type proxyState int

const (
	passing proxyState = iota
	cut
	hanging
)

// StartProxy puts a proxy before the server at host:port.
func StartProxy(to string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{to: to, listener: l, open: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	return p, nil
}

// Host is host:port of the proxy.
func (p *Proxy) Host() string { return p.listener.Addr().String() }

// URI connects through the proxy.
func (p *Proxy) URI() string { return "mongodb://" + p.Host() + "/?directConnection=true" }

// Cut ends all connections and every new one at once.
func (p *Proxy) Cut() { p.turn(cut, true) }

// Hang keeps connections open and takes new ones, but nothing comes through any
// more: what is sent is swallowed.
func (p *Proxy) Hang() { p.turn(hanging, false) }

// Heal lets new connections through. Those that hung are ended: what was sent on
// them is lost.
func (p *Proxy) Heal() { p.turn(passing, true) }

// Stop ends the proxy.
func (p *Proxy) Stop() error {
	err := p.listener.Close()
	p.Cut()
	p.wg.Wait()
	return err
}

func (p *Proxy) turn(to proxyState, end bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = to
	if end {
		for c := range p.open {
			_ = c.Close() // it may have been closed already
		}
	}
}

func (p *Proxy) now() proxyState {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

// follow takes a connection into account; false when it is to end at once.
func (p *Proxy) follow(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == cut {
		return false
	}
	p.open[c] = true
	return true
}

func (p *Proxy) end(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
	_ = c.Close() // it may have been closed already
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // too many open files: it passes
			continue
		}
		p.wg.Go(func() { p.serve(c) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer p.end(client)
	if !p.follow(client) {
		return
	}
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return // the server is down: the client's connection ends
	}
	defer p.end(server)
	if !p.follow(server) {
		return
	}
	ended := make(chan struct{}, 2)
	delay := p.latency()
	pump := func(to io.Writer, from io.Reader) {
		if delay > 0 {
			p.pumpLate(to, from, delay)
		} else {
			p.pump(to, from)
		}
		ended <- struct{}{}
	}
	go pump(server, client)
	go pump(client, server)
	<-ended
}

// pump hands on what comes, or swallows it.
func (p *Proxy) pump(to io.Writer, from io.Reader) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && p.now() == passing {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
