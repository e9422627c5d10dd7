// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// client speaks HTTP/1.1 to services over one kind of link. It does what
// http.Transport does, but in the goroutine of the request: that one's two
// goroutines for each connection cost a fifth of the CPU time of a proxied
// request, and its timeouts are others than nginx's, which count between two
// reads or writes. Messages are written and read by net/http.
type client struct {
	open        func(ctx context.Context, to endpoint) (net.Conn, error)
	link        link
	poolSize    int           // idle connections for each endpoint
	maxRequests int           // over one connection; 0: any number
	idleTimeout time.Duration // 0: no limit

	mu     sync.Mutex
	idle   map[endpoint][]*upstreamConn // those used last at the end
	reaper *time.Timer                  // nil if nothing is idle
	closed bool                         // what becomes idle is closed
}

// headerLimit is the most that the head of a response may have, in bytes.
const headerLimit = 1 << 20

var errHeadTooLarge = errors.New("the head of the upstream's response is larger than 1 MiB")

// upstreamConn is a connection to a service. Each read and each write has the
// service's time for it.
type upstreamConn struct {
	net.Conn
	client   *client
	to       endpoint
	reader   *bufio.Reader
	writer   *bufio.Writer
	requests int
	since    time.Time // idle
	head     int       // what is left of headerLimit; negative: no limit

	timing  sync.Mutex
	sending bool // the request's body is on its way still; guarded by timing
}

// allow gives the service its time for a read. It begins when the request has
// been sent, as in nginx: an upload may take longer.
func (c *upstreamConn) allow() error {
	c.timing.Lock()
	defer c.timing.Unlock()
	return c.restartRead()
}

// uploads notes whether the request's body is on its way. A read that waits already
// is told.
func (c *upstreamConn) uploads(sending bool) {
	c.timing.Lock()
	defer c.timing.Unlock()
	c.sending = sending
	_ = c.restartRead() // fails on a closed connection, which each read says, too
}

// restartRead sets the time for a read. timing is held.
func (c *upstreamConn) restartRead() error {
	limit := c.client.link.read
	switch {
	case limit <= 0:
		return nil
	case c.sending:
		return c.SetReadDeadline(time.Time{})
	}
	return c.SetReadDeadline(time.Now().Add(limit))
}

func (c *upstreamConn) Read(data []byte) (int, error) {
	if err := c.allow(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(data)
	if c.head >= 0 {
		if c.head -= n; c.head < 0 {
			return 0, errHeadTooLarge
		}
	}
	return n, err
}

func (c *upstreamConn) Write(data []byte) (int, error) {
	if limit := c.client.link.write; limit > 0 {
		if err := c.SetWriteDeadline(time.Now().Add(limit)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(data)
}

// alive reports whether an idle connection is still open and silent.
func (c *upstreamConn) alive() bool {
	plain := c.Conn
	if secured, ok := plain.(interface{ NetConn() net.Conn }); ok {
		plain = secured.NetConn()
	}
	access, ok := plain.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := access.SyscallConn()
	if err != nil {
		return false
	}
	alive := false
	err = raw.Read(func(fd uintptr) bool {
		var one [1]byte
		_, err := syscall.Read(int(fd), one[:])
		alive = errors.Is(err, syscall.EAGAIN)
		return true
	})
	return err == nil && alive
}

// take returns an idle connection, or a new one.
func (c *client) take(ctx context.Context, to endpoint) (conn *upstreamConn, reused bool, err error) {
	for {
		idle := c.pop(to)
		if idle == nil {
			break
		}
		if (c.idleTimeout == 0 || time.Since(idle.since) < c.idleTimeout) && idle.alive() {
			return idle, true, nil
		}
		_ = idle.Close()
	}
	opened, err := c.open(ctx, to)
	if err != nil {
		return nil, false, err
	}
	conn = &upstreamConn{Conn: opened, client: c, to: to}
	conn.reader, conn.writer = bufio.NewReader(conn), bufio.NewWriter(conn)
	return conn, false, nil
}

func (c *client) pop(to endpoint) *upstreamConn {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.idle[to]
	if len(list) == 0 {
		return nil
	}
	last := len(list) - 1
	conn := list[last]
	list[last], c.idle[to] = nil, list[:last]
	return conn
}

// put keeps a connection for the next request, or closes it.
func (c *client) put(conn *upstreamConn) {
	conn.requests++
	conn.since = time.Now()
	c.mu.Lock()
	keep := !c.closed && len(c.idle[conn.to]) < c.poolSize && (c.maxRequests == 0 || conn.requests < c.maxRequests)
	if keep {
		c.idle[conn.to] = append(c.idle[conn.to], conn)
		if c.reaper == nil && c.idleTimeout > 0 {
			c.reaper = time.AfterFunc(c.idleTimeout, c.reap)
		}
	}
	c.mu.Unlock()
	if !keep {
		_ = conn.Close()
	}
}

// reap closes what has been idle for too long.
func (c *client) reap() {
	c.mu.Lock()
	defer c.mu.Unlock()
	oldest := time.Now().Add(-c.idleTimeout)
	for to, list := range c.idle {
		n := 0
		for n < len(list) && !list[n].since.After(oldest) {
			_ = list[n].Close()
			n++
		}
		if c.idle[to] = append([]*upstreamConn(nil), list[n:]...); len(list) == n {
			delete(c.idle, to)
		}
	}
	if c.reaper = nil; len(c.idle) > 0 && !c.closed {
		c.reaper = time.AfterFunc(c.idleTimeout/2+time.Second, c.reap)
	}
}

// close closes idle connections, now and when they become idle.
func (c *client) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, list := range c.idle {
		for _, conn := range list {
			_ = conn.Close()
		}
	}
	clear(c.idle)
	if c.reaper != nil {
		c.reaper.Stop()
	}
}

// trip sends a request and returns the response's head; inform is told of
// informational ones. A connection that turns out to be closed already counts
// for nothing: another is taken, if the request may be sent twice.
func (c *client) trip(request *http.Request, to endpoint, repeatable bool, inform func(*http.Response)) (*http.Response, error) {
	ctx := request.Context()
	for {
		conn, reused, err := c.take(ctx, to)
		if err != nil {
			return nil, err
		}
		t := &trip{conn: conn, stop: context.AfterFunc(ctx, func() { _ = conn.Close() })}
		response, err := t.run(request, inform)
		if err == nil {
			return response, nil
		}
		t.stop()
		_ = conn.Close()
		if t.sent != nil && (repeatable || ctx.Err() != nil) {
			// What may be sent anew is sent by one at a time. And net/http takes
			// a client for gone whose body does not come.
			if failed := <-t.sent; isBodyError(failed) {
				err = failed
			}
		}
		if isBodyError(err) {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !reused || !repeatable || !isBroken(err) {
			return nil, err
		}
		if request.GetBody != nil {
			if request.Body, err = request.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}
