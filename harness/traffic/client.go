// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"

	"blackout/harness/history"
)

// Endpoint is a port of a node.
type Endpoint struct {
	// Address is where it was found, "host:port". It stays in the URL of every
	// request.
	Address string

	// Find, if set, is asked before each dial where the port is now: a node that
	// was started again may be elsewhere. While it does not know, the address that
	// was found is dialled.
	Find func(context.Context) (string, error)
}

// dialer dials the endpoint, whatever address it is called with.
func (e Endpoint) dialer(timeout time.Duration) func(ctx context.Context, network, _ string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: timeout}
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		address := e.Address
		if e.Find != nil {
			if now, err := e.Find(ctx); err == nil {
				address = now
			}
		}
		return dialer.DialContext(ctx, network, address)
	}
}

// newTransport is a stream's own pool of connections. It follows no redirect and
// keeps as many connections as there can be requests.
func newTransport(s history.Stream, to Endpoint, roots *tls.Config) (*http.Transport, error) {
	t := &http.Transport{
		DialContext:         to.dialer(s.Timeout),
		TLSHandshakeTimeout: s.Timeout,
		DisableKeepAlives:   s.Fresh,
		DisableCompression:  true,
		MaxIdleConnsPerHost: s.Workers,
		Protocols:           new(http.Protocols),
		// A dead connection is given up as in HTTP/1.1, where a time-out ends it.
		HTTP2: &http.HTTP2Config{SendPingTimeout: s.Timeout, PingTimeout: s.Timeout},
	}
	if s.TLS {
		t.TLSClientConfig = roots.Clone()
	}
	switch {
	case s.Protocol == "" || s.Protocol == HTTP1:
		t.Protocols.SetHTTP1(true)
	case s.Protocol == HTTP2 && s.TLS:
		t.Protocols.SetHTTP2(true)
	case s.Protocol == H2C && !s.TLS:
		t.Protocols.SetUnencryptedHTTP2(true)
	default:
		return nil, fmt.Errorf("%w: %s: protocol %q with TLS %v", ErrStream, s.Name, s.Protocol, s.TLS)
	}
	return t, nil
}

// deadline bounds one request after another by the same timer and, as long as
// none exceeds it, the same context: a context of its own for each costs more
// than all else that a prober adds to a request.
type deadline struct {
	parent  context.Context // owned: what each request's context is made from
	timeout time.Duration

	ctx   context.Context // owned: the current one
	timer *time.Timer
}

// begin arms the deadline and returns the context that it will end.
func (d *deadline) begin() context.Context {
	if d.ctx != nil {
		d.timer.Reset(d.timeout)
		return d.ctx
	}
	ctx, cancel := context.WithCancelCause(d.parent)
	d.ctx = ctx
	d.timer = time.AfterFunc(d.timeout, func() { cancel(context.DeadlineExceeded) })
	return ctx
}

// end disarms the deadline and reports whether it was exceeded.
func (d *deadline) end() (exceeded bool) {
	if d.timer.Stop() {
		return false
	}
	d.ctx = nil
	return true
}
