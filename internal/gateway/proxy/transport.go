// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// link is what makes services need connections of their own. Services with
// equal links share a transport, and so survive a change of the configuration
// with their connections warm.
type link struct {
	connect, write, read time.Duration
	tls, http2           bool
	verify               bool // Kong 3.9 does not verify upstreams unless asked to
	depth                int  // of the chain; 0: no limit
	authorities          string
	certificate          string // DER of what is shown
}

// transport sends requests over one kind of link: by a client of its own in
// HTTP/1.1, by http.Transport in HTTP/2, which gRPC needs.
type transport struct {
	link    link
	tls     *tls.Config // nil without TLS
	dialer  net.Dialer
	resolve func(ctx context.Context, host string) ([]netip.Addr, error) // nil: the dialer's own
	client  *client
	http2   *http.Transport
}

// transports are all that are in use.
type transports struct {
	options Options

	mu     sync.Mutex
	byLink map[link]*transport
}

func newTransports(options Options) *transports {
	return &transports{options: options, byLink: map[link]*transport{}}
}

// get returns the transport of a link.
func (t *transports) get(l link, certificate *tls.Certificate) (*transport, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if made := t.byLink[l]; made != nil {
		return made, nil
	}
	made := &transport{link: l, dialer: net.Dialer{Timeout: l.connect}, resolve: t.options.Resolve}
	if l.tls {
		var err error
		if made.tls, err = t.tlsConfig(l, certificate); err != nil {
			return nil, err
		}
	}
	settings := &t.options.Settings
	if l.http2 {
		made.http2 = newHTTP2(made, settings.KeepaliveIdleTimeout)
	} else {
		made.client = &client{
			open: made.open, link: l, idle: map[endpoint][]*upstreamConn{},
			poolSize: settings.KeepalivePoolSize, maxRequests: settings.KeepaliveMaxRequests, idleTimeout: settings.KeepaliveIdleTimeout,
		}
	}
	t.byLink[l] = made
	return made, nil
}

func newHTTP2(made *transport, idle time.Duration) *http.Transport {
	h := &http.Transport{
		ResponseHeaderTimeout: made.link.read, IdleConnTimeout: idle, DisableCompression: true, Protocols: new(http.Protocols),
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return made.open(ctx, endpoint{address: address})
		},
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			to, _ := ctx.Value(endpointKey{}).(endpoint)
			return made.open(ctx, to)
		},
	}
	h.Protocols.SetUnencryptedHTTP2(!made.link.tls)
	h.Protocols.SetHTTP2(made.link.tls)
	return h
}

// close closes idle connections. Those that carry requests are closed when they
// become idle; in HTTP/2, when they have been so for upstream_keepalive_idle_timeout.
func (t *transport) close() {
	if t.http2 != nil {
		t.http2.CloseIdleConnections()
		return
	}
	t.client.close()
}

func (t *transports) tlsConfig(l link, certificate *tls.Certificate) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: !l.verify} // #nosec G402 -- tls_verify decides
	if l.http2 {
		config.NextProtos = []string{"h2"}
	}
	if certificate != nil {
		config.Certificates = []tls.Certificate{*certificate}
	}
	if !l.verify {
		return config, nil
	}
	roots, err := t.roots(l.authorities)
	if err != nil {
		return nil, err
	}
	config.RootCAs = roots
	if l.depth > 0 {
		config.VerifyConnection = func(state tls.ConnectionState) error {
			for _, chain := range state.VerifiedChains {
				if len(chain) <= l.depth+1 {
					return nil
				}
			}
			return fmt.Errorf("the upstream's chain is longer than tls_verify_depth %d", l.depth)
		}
	}
	return config, nil
}

// roots are the service's authorities, or the node's if it names none.
func (t *transports) roots(authorities string) (*x509.CertPool, error) {
	roots := x509.NewCertPool()
	if authorities != "" {
		if !roots.AppendCertsFromPEM([]byte(authorities)) {
			return nil, errors.New("ca_certificates: no certificate among them can be read")
		}
		return roots, nil
	}
	if t.options.Trust.System || len(t.options.Trust.PEM) == 0 {
		system, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("read the host's authorities: %w", err)
		}
		roots = system
	}
	roots.AppendCertsFromPEM(t.options.Trust.PEM)
	return roots, nil
}

// keep forgets the transports that are not in use, and closes their idle
// connections. Those that carry requests close when they become idle.
func (t *transports) keep(used map[link]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for l, unused := range t.byLink {
		if !used[l] {
			delete(t.byLink, l)
			unused.close()
		}
	}
}

// endpoint is where a connection goes, and for whom if it is by TLS.
type endpoint struct{ address, serverName string }

type endpointKey struct{}

// open makes a connection, with TLS if the link is by TLS.
func (t *transport) open(ctx context.Context, to endpoint) (net.Conn, error) {
	conn, err := t.dial(ctx, to.address)
	if err != nil || t.tls == nil {
		return conn, err
	}
	config := t.tls.Clone()
	config.ServerName = to.serverName
	secured := tls.Client(conn, config)
	within, cancel := context.WithTimeout(ctx, t.link.connect)
	defer cancel()
	if err := secured.HandshakeContext(within); err != nil {
		_ = conn.Close()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: conn.RemoteAddr(), Err: fmt.Errorf("TLS handshake: %w", err)}
	}
	return secured, nil
}

func (t *transport) dial(ctx context.Context, address string) (net.Conn, error) {
	addresses, err := t.lookup(ctx, address)
	if err != nil {
		return nil, err
	}
	for _, one := range addresses {
		var conn net.Conn
		if conn, err = t.dialer.DialContext(ctx, "tcp", one); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// lookup returns what is to be dialled for an address, in order.
func (t *transport) lookup(ctx context.Context, address string) ([]string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if _, err := netip.ParseAddr(host); err == nil || t.resolve == nil {
		return []string{address}, nil
	}
	found, err := t.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	addresses := make([]string, 0, len(found))
	for _, one := range found {
		addresses = append(addresses, net.JoinHostPort(one.String(), port))
	}
	if len(addresses) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return addresses, nil
}
