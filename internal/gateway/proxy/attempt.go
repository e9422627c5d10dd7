// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"blackout/internal/gateway/balancer"
)

// roundTrip sends the request to its service, again as often as the service's
// retries say: after a failed connect any request, because nothing was sent;
// after a connection that broke or stalled only one that may be sent twice
// (nginx's proxy_next_upstream, "error timeout").
func (x *exchange) roundTrip(request *http.Request) (*http.Response, error) {
	for attempt := 0; ; attempt++ {
		response, err := x.attempt(request)
		if err == nil || attempt >= x.service.Retries || !x.mayRepeat(request, err) {
			x.report(response, err)
			return response, err
		}
		if x.peer != nil {
			timeout := isTimeout(err)
			x.peer.Report(balancer.Outcome{Timeout: timeout, Refused: !timeout})
			x.peer.End()
			x.peer = nil
		}
	}
}

// attempt sends the request once.
func (x *exchange) attempt(request *http.Request) (*http.Response, error) {
	s := x.service
	address := s.address
	if s.upstream != nil {
		peer, err := s.upstream.Pick(request.Context(), &x.choice)
		if err != nil {
			return nil, err
		}
		x.peer = peer
		peer.Begin()
		address = peer.Address
		standard := 80
		if s.scheme == "https" {
			standard = 443
		}
		request.Host = x.host(hostHeader(cmp.Or(s.upstream.HostHeader, peer.Host), peer.Port, standard))
	}
	request.URL.Host = address
	request.Body = x.sendable()
	if len(x.replay) > 0 {
		request.GetBody = func() (io.ReadCloser, error) { return x.sendable(), nil }
	}
	to := endpoint{address: address}
	if s.link.tls {
		to.serverName = serverName(request.Host)
	}
	x.sent = time.Now()
	if s.transport.http2 != nil {
		return s.transport.http2.RoundTrip(withEndpoint(request, to))
	}
	return s.transport.client.trip(request, to, x.held && mayRepeatMethod(request.Method), x.inform)
}

// inform sends an informational response on.
func (x *exchange) inform(response *http.Response) {
	if response.StatusCode == http.StatusContinue {
		return // the server has said so itself, when it was time
	}
	header := x.writer.Header()
	for name, values := range response.Header {
		header[name] = values
	}
	x.writer.WriteHeader(response.StatusCode)
	clear(header) // net/http does not by itself
}

func serverName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.Trim(host, "[]")
}

// withEndpoint names the connection that a request over TLS needs by address and
// server name, so that http.Transport gives it none that was made for another.
func withEndpoint(request *http.Request, to endpoint) *http.Request {
	if to.serverName == "" {
		return request
	}
	request = request.WithContext(context.WithValue(request.Context(), endpointKey{}, to))
	target := *request.URL
	target.Host = connectionName.Replace(to.serverName+"."+to.address) + ":443"
	request.URL = &target
	return request
}

// connectionName makes of a name and an address one that has no port.
var connectionName = strings.NewReplacer(":", "-", "[", "", "]", "")

// report tells the passive health checks how the last attempt went: Kong 3.9
// goes by the status that the client gets, also where there was no response.
func (x *exchange) report(response *http.Response, err error) {
	if x.peer == nil {
		return
	}
	status := 0
	switch {
	case err == nil:
		status = response.StatusCode
	case x.request.Context().Err() != nil, isBodyError(err):
		return // the client went away; the service is not to blame
	default:
		status, _, _ = explain(err)
	}
	x.peer.Report(balancer.Outcome{Status: status, Timeout: status == http.StatusGatewayTimeout})
	if err == nil {
		x.peer.Observe(time.Since(x.sent))
	}
}

// mayRepeat reports whether the request may be sent once more.
func (x *exchange) mayRepeat(request *http.Request, err error) bool {
	var lookup *net.DNSError
	if request.Context().Err() != nil || errors.As(err, &lookup) || errors.Is(err, balancer.ErrNoPeer) {
		return false
	}
	var operation *net.OpError
	if errors.As(err, &operation) && operation.Op == "dial" {
		return true
	}
	return x.held && mayRepeatMethod(request.Method) && (isTimeout(err) || isBroken(err))
}

// mayRepeatMethod reports whether nginx sends a request twice.
func mayRepeatMethod(method string) bool {
	return method != http.MethodPost && method != http.MethodPatch && method != "LOCK"
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// isBroken reports whether a connection ended before there was a response.
func isBroken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// explain maps an upstream's failure to status and message (Kong 3.9). own says
// that the balancer itself gave up, not a service.
func explain(err error) (status int, message string, own bool) {
	var lookup *net.DNSError
	switch {
	case errors.Is(err, balancer.ErrNoPeer):
		return http.StatusServiceUnavailable, balancer.ErrNoPeer.Error(), true
	case errors.As(err, &lookup):
		return http.StatusServiceUnavailable, "name resolution failed", true
	case isTimeout(err):
		return http.StatusGatewayTimeout, "The upstream server is timing out", false
	}
	return http.StatusBadGateway, "An invalid response was received from the upstream server", false
}
