// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// answer sends a response of the gateway's own.
func (p *Proxy) answer(w http.ResponseWriter, x *exchange, status int, message string) {
	body := fmt.Sprintf("{\n  \"message\":%q,\n  \"request_id\":%q\n}", message, x.id)
	header := w.Header()
	header.Set("Content-Type", "application/json; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Server", "kong/"+p.options.Version)
	header.Set("X-Kong-Response-Latency", milliseconds(time.Since(x.start)))
	header.Set("X-Kong-Request-Id", x.id)
	w.WriteHeader(status)
	if _, err := w.Write([]byte(body)); err != nil {
		p.options.Log.Debug("proxy.answer", "request_id", x.id, "error", err)
	}
}

// redirect answers a plain request for a route that wants TLS.
func (p *Proxy) redirect(w http.ResponseWriter, r *http.Request, x *exchange) {
	status := x.match.Route.redirect
	if status == http.StatusUpgradeRequired {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "TLS/1.2, HTTP/1.1")
		p.answer(w, x, status, "Please use HTTPS protocol")
		return
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	w.Header().Set("Location", "https://"+host+r.URL.RequestURI())
	p.answer(w, x, status, "Please use HTTPS protocol")
}

// upstreamFailed answers for an upstream that gave no response.
func (p *Proxy) upstreamFailed(w http.ResponseWriter, r *http.Request, err error) {
	x := exchangeOf(r.Context())
	route := x.match.Route
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		p.options.Log.Debug("proxy.aborted", "route", route.ID, "request_id", x.id)
		// The client has gone, or closed its side and still reads. To return
		// would answer 200; Kong's nginx closes the connection.
		panic(http.ErrAbortHandler)
	}
	status, message := explain(err)
	p.options.Log.Warn("proxy.failed", "route", route.ID, "service", route.Service.ID, "status", status, "request_id", x.id, "error", err)
	p.answer(w, x, status, message)
}

// explain maps an upstream's failure to status and message (Kong 3.9).
func explain(err error) (int, string) {
	var lookup *net.DNSError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &lookup):
		return http.StatusServiceUnavailable, "name resolution failed"
	case errors.As(err, &timeout) && timeout.Timeout():
		return http.StatusGatewayTimeout, "The upstream server is timing out"
	}
	return http.StatusBadGateway, "An invalid response was received from the upstream server"
}
