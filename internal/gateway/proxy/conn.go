// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
)

// Listener wraps a listener whose connections a [Proxy] serves by net/http. In
// HTTP/1 without TLS its connections say what Kong's nginx says where net/http
// leaves no choice: the reason phrases of upstreams and of nginx, and the
// answers to requests that cannot be read. Over TLS reason phrases stay those of
// net/http, and HTTP/2 has none.
func (p *Proxy) Listener(l net.Listener) net.Listener { return &listener{l, p} }

// MaxHeader is the MaxHeaderBytes of a server in front of a [Proxy]: with what
// net/http allows for on top, nginx's large_client_header_buffers of 4 times
// 8 KiB.
const MaxHeader = 28 << 10

type listener struct {
	net.Listener
	proxy *Proxy
}

func (l *listener) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: accepted, proxy: l.proxy}
	c.local = localAddress{Addr: accepted.LocalAddr(), conn: c, port: "80"}
	if address, ok := c.local.Addr.(*net.TCPAddr); ok {
		local := address.AddrPort()
		c.local.port = strconv.Itoa(address.Port)
		c.local.addrPort = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	}
	return c, nil
}

// localAddress is a connection's own address. By it a handler finds the
// connection that its request came in by.
type localAddress struct {
	net.Addr
	conn     *conn
	port     string
	addrPort netip.AddrPort
}

// conn is a client's connection.
type conn struct {
	net.Conn
	proxy *Proxy
	local localAddress
	next  atomic.Pointer[spoken]
}

// spoken is how the next status line is to read.
type spoken struct {
	status int
	reason string
}

func (c *conn) LocalAddr() net.Addr { return &c.local }

// CloseWrite lets net/http end its side first.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// say sets the reason phrase of the response that follows. Nil says nothing.
func (c *conn) say(status int, reason string) {
	if c != nil && reason != http.StatusText(status) {
		c.next.Store(&spoken{status, reason})
	}
}

// unreadable starts each answer that net/http gives to a request that it cannot
// read, after the status line. No other answer starts so: those have a Date.
const unreadable = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

// Write replaces the status line, or the answer, if there is a reason to. The
// server begins each response with a write of its own.
func (c *conn) Write(data []byte) (int, error) {
	next := c.next.Load()
	if next == nil && len(data) > maxUnreadable {
		return c.Conn.Write(data)
	}
	version, status, rest := statusLine(data)
	switch {
	case status == 0:
	case next != nil && status == next.status:
		c.next.Store(nil)
		return c.replace(data, fmt.Appendf(nil, "%s %d %s", version, status, next.reason), rest)
	case len(data) <= maxUnreadable && bytes.HasPrefix(rest, []byte(unreadable)):
		return c.replace(data, c.proxy.refusal(status), nil)
	}
	return c.Conn.Write(data)
}

// maxUnreadable is the most that such an answer has, in bytes.
const maxUnreadable = 512

func (c *conn) replace(data, start, rest []byte) (int, error) {
	// One write, so that a small response stays one packet.
	if _, err := c.Conn.Write(append(start, rest...)); err != nil {
		return 0, err
	}
	return len(data), nil
}

// statusLine reads the start of a response: its version, its status and what
// follows the reason phrase. The status is 0 if it is no start of a response.
func statusLine(data []byte) (version string, status int, rest []byte) {
	end := bytes.IndexByte(data[:min(len(data), 256)], '\r')
	if end < 0 || !bytes.HasPrefix(data, []byte("HTTP/1.")) {
		return "", 0, nil
	}
	version, line, _ := strings.Cut(string(data[:end]), " ")
	code, _, _ := strings.Cut(line, " ")
	status, err := strconv.Atoi(code)
	if err != nil {
		return "", 0, nil
	}
	return version, status, data[end:]
}

// refusal is Kong's answer to a request that cannot be read.
func (p *Proxy) refusal(status int) []byte {
	id := p.ids.next()
	contentType, body := plainForm.contentType, plainForm.body("Bad request", id)
	switch status {
	case http.StatusRequestHeaderFieldsTooLarge:
		status, body = http.StatusBadRequest, plainForm.body("Request header or cookie too large", id)
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		contentType, body = "text/html; charset=UTF-8", page(status)
	default:
		status = http.StatusBadRequest
	}
	text := fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n",
		status, reasonPhrase(status), httpDate(), contentType, len(body))
	if p.headers.responseLatency {
		text = append(text, "X-Kong-Response-Latency: 0\r\n"...)
	}
	if p.headers.server {
		text = fmt.Appendf(text, "Server: %s\r\n", p.server)
	}
	if p.headers.requestID {
		text = fmt.Appendf(text, "X-Kong-Request-Id: %s\r\n", id)
	}
	return append(append(text, "\r\n"...), body...)
}
