// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
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
}

func (c *upstreamConn) Read(data []byte) (int, error) {
	if limit := c.client.link.read; limit > 0 {
		if err := c.SetReadDeadline(time.Now().Add(limit)); err != nil {
			return 0, err
		}
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
		if repeatable && t.sent != nil {
			<-t.sent // what may be sent anew is sent by one at a time
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

// trip is one request and its response over a connection. It is the response's
// body.
type trip struct {
	conn  *upstreamConn
	stop  func() bool   // ends the wait for the client to go away
	sent  chan error    // set while the request's body may be on its way still
	body  io.ReadCloser // of the response
	reuse bool
	done  bool
}

// sendAtOnce is the longest body that is sent before anything is read, in bytes.
const sendAtOnce = 16 << 10

func (t *trip) run(request *http.Request, inform func(*http.Response)) (*http.Response, error) {
	var failed error
	if request.Body == nil || request.ContentLength > 0 && request.ContentLength <= sendAtOnce {
		failed = t.send(request)
	} else {
		t.sent = make(chan error, 1)
		go func() { t.sent <- t.send(request) }()
	}
	// A service may have answered before it hung up on the request.
	response, err := t.receive(request, inform)
	if err != nil && failed != nil {
		return nil, failed
	}
	return response, err
}

func (t *trip) send(request *http.Request) error {
	if err := request.Write(t.conn.writer); err != nil {
		return err
	}
	return t.conn.writer.Flush()
}

// informLimit is how many informational responses may come before the final one.
const informLimit = 10

func (t *trip) receive(request *http.Request, inform func(*http.Response)) (*http.Response, error) {
	for range informLimit {
		t.conn.head = headerLimit
		response, err := http.ReadResponse(t.conn.reader, request)
		if err != nil {
			return nil, err
		}
		t.conn.head = -1
		switch {
		case response.StatusCode < 100:
			return nil, fmt.Errorf("the upstream's status %03d is none", response.StatusCode)
		case response.StatusCode == http.StatusSwitchingProtocols && request.Header["Upgrade"] == nil:
			return nil, errors.New("the upstream switches protocols without being asked to")
		case response.StatusCode == http.StatusSwitchingProtocols:
			t.stop()
			response.Body = upgraded{t.conn}
			return response, nil
		case response.StatusCode < 200:
			inform(response)
			continue
		}
		t.body, t.reuse = response.Body, !response.Close
		if response.Body == http.NoBody {
			t.finish()
		} else {
			response.Body = t
		}
		return response, nil
	}
	return nil, errors.New("too many informational responses")
}

func (t *trip) Read(data []byte) (int, error) {
	n, err := t.body.Read(data)
	if err == io.EOF {
		t.finish()
	}
	return n, err
}

// Close ends the trip. What has not been read goes with the connection.
func (t *trip) Close() error {
	t.reuse = t.reuse && t.done
	t.finish()
	return nil
}

// finish lets go of the connection, once.
func (t *trip) finish() {
	if t.done {
		return
	}
	t.done = true
	reuse := t.stop() && t.reuse && t.conn.reader.Buffered() == 0
	if reuse && t.sent != nil {
		select {
		case err := <-t.sent:
			reuse = err == nil
		default:
			reuse = false // the service did not want the rest
		}
	}
	if reuse {
		t.conn.client.put(t.conn)
	} else {
		_ = t.conn.Close()
	}
}

// upgraded is a connection that has become another protocol's.
type upgraded struct{ *upstreamConn }

func (u upgraded) Read(data []byte) (int, error) { return u.reader.Read(data) }
