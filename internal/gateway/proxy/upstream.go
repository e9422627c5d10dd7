// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Kong 3.9's pool of connections to an upstream.
const (
	idlePerHost = 512
	idleTimeout = 60 * time.Second
)

// link is what makes services need connections of their own. Services with
// equal links share a transport, and so survive a change of the router with
// their connections warm.
type link struct {
	connect   time.Duration
	read      time.Duration // until the response's header
	tlsVerify bool          // Kong 3.9 does not verify upstreams unless asked to
}

// upstream sends requests to services.
type upstream struct {
	mu         sync.Mutex
	transports map[link]*http.Transport
}

func newUpstream() *upstream { return &upstream{transports: map[link]*http.Transport{}} }

func (u *upstream) transport(l link) *http.Transport {
	u.mu.Lock()
	defer u.mu.Unlock()
	if transport := u.transports[l]; transport != nil {
		return transport
	}
	dialer := &net.Dialer{Timeout: l.connect}
	transport := &http.Transport{
		DialContext:           dialer.DialContext,
		TLSClientConfig:       &tls.Config{InsecureSkipVerify: !l.tlsVerify, MinVersion: tls.VersionTLS12}, // #nosec G402 -- tls_verify decides
		TLSHandshakeTimeout:   l.connect,
		ResponseHeaderTimeout: l.read,
		MaxIdleConnsPerHost:   idlePerHost,
		IdleConnTimeout:       idleTimeout,
		DisableCompression:    true, // bodies go through as they are
	}
	u.transports[l] = transport
	return transport
}

func (u *upstream) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, transport := range u.transports {
		transport.CloseIdleConnections()
	}
}

// RoundTrip sends a request to its service. Only a failed connect is tried
// again, as often as the service's retries say: nothing was sent then, so that
// any request may be repeated.
func (u *upstream) RoundTrip(request *http.Request) (*http.Response, error) {
	service := exchangeOf(request.Context()).match.Route.Service
	transport := u.transport(service.link)
	if request.Body != nil && request.Body != http.NoBody {
		// A transport closes the body also when it never read from it. The
		// server closes the original.
		request.Body = io.NopCloser(request.Body)
	}
	for attempt := 0; ; attempt++ {
		response, err := transport.RoundTrip(request)
		if err == nil || attempt >= service.retries || !connectFailed(request.Context(), err) {
			return response, err
		}
	}
}

// connectFailed reports whether the error is that of a connect that can be
// tried again.
func connectFailed(ctx context.Context, err error) bool {
	var operation *net.OpError
	var lookup *net.DNSError
	return ctx.Err() == nil && errors.As(err, &operation) && operation.Op == "dial" && !errors.As(err, &lookup)
}
