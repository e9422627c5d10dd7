// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"blackout/internal/gateway/router"
)

// ask fills in what is asked of a request's way in: who sent it, over what, and
// what the router looks at.
func (x *exchange) ask(r *http.Request) {
	x.asked = router.Request{Method: r.Method, Scheme: "http", Host: r.Host, Path: x.path, Header: r.Header}
	if r.TLS != nil {
		x.asked.Scheme, x.asked.SNI = "https", r.TLS.ServerName
	}
	source, _ := netip.ParseAddrPort(r.RemoteAddr)
	x.asked.Source = netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
	x.listener(r)
	x.tcpPeer(r.RemoteAddr)
	x.believed = len(x.proxy.options.Settings.TrustedIPs) > 0 && x.proxy.trusts(x.peerAddress)
	x.client, x.forwarded = x.peerAddress, x.asked.Scheme
	if !x.believed {
		return
	}
	x.client = x.realClient(r)
	x.asked.Source = netip.AddrPortFrom(x.client, x.asked.Source.Port())
	if proto := r.Header.Get("X-Forwarded-Proto"); proto != "" {
		x.forwarded = strings.ToLower(proto)
	}
}

// tcpPeer notes the TCP peer.
func (x *exchange) tcpPeer(remote string) {
	x.peerAddress = x.asked.Source.Addr()
	if end := strings.LastIndexByte(remote, ':'); end >= 0 {
		x.peerText = strings.Trim(remote[:end], "[]")
	}
}

// listener notes where the request came in.
func (x *exchange) listener(r *http.Request) {
	x.conn, x.port = nil, "80"
	switch address := r.Context().Value(http.LocalAddrContextKey).(type) {
	case *localAddress:
		x.conn, x.port, x.asked.Destination = address.conn, address.port, address.addrPort
	case *net.TCPAddr:
		local := address.AddrPort()
		x.port = strconv.Itoa(address.Port)
		x.asked.Destination = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	}
}

// realClient is who a trusted peer says the request is from (Kong 3.9
// real_ip_header, real_ip_recursive).
func (x *exchange) realClient(r *http.Request) netip.Addr {
	settings := &x.proxy.options.Settings
	values := r.Header.Values(settings.RealIPHeader)
	if len(values) == 0 {
		return x.peerAddress
	}
	list := strings.Split(strings.Join(values, ","), ",")
	client := x.peerAddress
	for i := len(list) - 1; i >= 0; i-- {
		address, ok := parseClient(strings.TrimSpace(list[i]))
		if !ok {
			break
		}
		client = address
		if !settings.RealIPRecursive || !x.proxy.trusts(client) {
			break
		}
	}
	return client
}

// parseClient reads an address that may have a port, as some balancers write it
// and nginx takes it.
func parseClient(text string) (netip.Addr, bool) {
	if address, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return address.Unmap(), true
	}
	address, err := netip.ParseAddrPort(text)
	return address.Addr().Unmap(), err == nil
}

// capture returns what a group of the route's regex matched.
func (x *exchange) capture(group string) (string, bool) {
	positional, named := x.match.Captures()
	if number, err := strconv.Atoi(group); err == nil {
		if number < 1 || number >= len(positional) {
			return "", false
		}
		return positional[number], true
	}
	value, ok := named[group]
	return value, ok
}

// hashValue returns what consistent hashing goes by.
func (x *exchange) hashValue(source, name string) string {
	r := x.request
	switch source {
	case "ip":
		return x.client.String()
	case "consumer":
		if x.plugins.Consumer != nil {
			return x.plugins.Consumer.ID
		}
	case "header":
		return strings.Join(x.plugins.Header().Values(name), ", ")
	case "path":
		return x.path
	case "query_arg":
		return r.URL.Query().Get(name)
	case "uri_capture":
		value, _ := x.capture(name)
		return value
	case "cookie":
		if cookie, err := r.Cookie(name); err == nil {
			return cookie.Value
		}
		if x.cookie == "" {
			x.cookie = x.proxy.ids.next()
		}
		return x.cookie
	}
	return ""
}
