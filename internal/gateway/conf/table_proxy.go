// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

func listenParameters() []parameter {
	return []parameter{
		{name: "proxy_listen", kind: listenKind, value: "0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl reuseport backlog=16384",
			set:   listen(func(c *Config) *[]Listener { return &c.ProxyListen }),
			about: "Where a data plane takes traffic."},
		{name: "admin_listen", kind: listenKind, value: "127.0.0.1:8001 reuseport backlog=16384, 127.0.0.1:8444 http2 ssl reuseport backlog=16384",
			set:   listen(func(c *Config) *[]Listener { return &c.AdminListen }),
			about: "Where a control plane has its Admin API. A data plane has none."},
		{name: "status_listen", kind: listenKind, value: "127.0.0.1:8007 reuseport backlog=16384", set: listen(func(c *Config) *[]Listener { return &c.StatusListen }),
			about: "Where the node has its Status API."},
		{name: "ssl_cert", kind: pemListKind, set: certificates(func(c *Config) *[]KeyPair { return &c.ProxyTLS }),
			about: "Certificates of the TLS listeners of the proxy. Unset: the node makes its own."},
		{name: "ssl_cert_key", kind: pemListKind, secret: true, set: certificateKeys(func(c *Config) *[]KeyPair { return &c.ProxyTLS }),
			about: "Their keys, in the same order."},
		{name: "admin_ssl_cert", kind: pemListKind, set: certificates(func(c *Config) *[]KeyPair { return &c.AdminTLS }),
			about: "The same for the Admin API."},
		{name: "admin_ssl_cert_key", kind: pemListKind, secret: true, set: certificateKeys(func(c *Config) *[]KeyPair { return &c.AdminTLS }),
			about: "Their keys."},
		{name: "status_ssl_cert", kind: pemListKind, set: certificates(func(c *Config) *[]KeyPair { return &c.StatusTLS }),
			about: "The same for the Status API."},
		{name: "status_ssl_cert_key", kind: pemListKind, secret: true, set: certificateKeys(func(c *Config) *[]KeyPair { return &c.StatusTLS }),
			about: "Their keys."},
		{name: "stream_listen", kind: listenKind, value: "off", about: "Where TCP, TLS and UDP traffic is taken. It is not, here."},
		{name: "port_maps", kind: listKind, about: "Ports that clients see instead of the node's own, `80:8000`."},
		{name: "ssl_cipher_suite", kind: enum, value: "intermediate", enum: []string{"modern", "intermediate", "old", "fips", "custom"}, about: "TLS ciphers and versions of the listeners. Those of Go's standard library are used."},
		{name: "ssl_ciphers", about: "The ciphers with `custom`."},
		{name: "ssl_protocols", value: "TLSv1.2 TLSv1.3", about: "The TLS versions with `custom`."},
		{name: "ssl_prefer_server_ciphers", kind: directive, value: "on", about: "Whether the node's order of ciphers counts."},
		{name: "ssl_dhparam", about: "Parameters for DHE ciphers."},
		{name: "ssl_session_tickets", kind: directive, value: "on", about: "Whether TLS sessions are resumed by ticket."},
		{name: "ssl_session_timeout", value: "1d", about: "How long a TLS session may be resumed."},
		{name: "ssl_session_cache_size", value: "10m", about: "Size of the cache of TLS sessions."},
		{name: "client_ssl", kind: boolean, value: "off", about: "Whether upstreams are shown a certificate that is not the service's own."},
		{name: "client_ssl_cert", kind: pemKind, about: "That certificate."},
		{name: "client_ssl_cert_key", kind: pemKind, secret: true, about: "Its key."},
		{name: "lua_ssl_trusted_certificate", kind: pemListKind, value: "system", set: setTrustedCertificates,
			about: "Authorities that the node's own connections trust: `system`, or certificates. Used with `cluster_mtls = pki`."},
		{name: "lua_ssl_verify_depth", kind: number, value: "1", set: count(func(c *Config) *int { return &c.Trust.Depth }),
			about: "How long the chain to such an authority may be."},
		{name: "lua_ssl_protocols", value: "TLSv1.2 TLSv1.3", about: "The TLS versions of those connections."},
	}
}

func proxyParameters() []parameter {
	return []parameter{
		{name: "headers", kind: listKind, value: "server_tokens, latency_tokens, X-Kong-Request-Id", set: setHeaders,
			about: "Headers that answers get: names of Kong's, `server_tokens`, `latency_tokens`, or `off`."},
		{name: "headers_upstream", kind: listKind, value: "X-Kong-Request-Id", set: setHeadersUpstream,
			about: "Headers that requests to upstreams get: `X-Kong-Request-Id` or `off`."},
		{name: "allow_debug_header", kind: boolean, value: "off", set: truth(func(c *Config) *bool { return &c.Proxy.AllowDebugHeader }),
			about: "Whether a request with `Kong-Debug: 1` is told which route and service it met."},
		{name: "trusted_ips", kind: listKind, set: setTrustedIPs,
			about: "Addresses and CIDR blocks whose `X-Forwarded-*` headers are believed; `unix:` for UNIX sockets."},
		{name: "real_ip_header", value: "X-Real-IP", set: text(func(c *Config) *string { return &c.Proxy.RealIPHeader }),
			about: "The header that names the client of a trusted peer's request."},
		{name: "real_ip_recursive", kind: directive, value: "off", set: truth(func(c *Config) *bool { return &c.Proxy.RealIPRecursive }),
			about: "Whether the client is the last address there that is not trusted."},
		{name: "upstream_keepalive_pool_size", kind: number, value: "512", set: count(func(c *Config) *int { return &c.Proxy.KeepalivePoolSize }),
			about: "Idle connections kept for each upstream; 0 keeps none."},
		{name: "upstream_keepalive_max_requests", kind: number, value: "10000", set: count(func(c *Config) *int { return &c.Proxy.KeepaliveMaxRequests }),
			about: "Requests over one of them; 0 means any number."},
		{name: "upstream_keepalive_idle_timeout", kind: number, value: "60", set: seconds(func(c *Config) *time.Duration { return &c.Proxy.KeepaliveIdleTimeout }),
			about: "Seconds that one may be idle; 0 means any time."},
		{name: "router_flavor", kind: enum, value: "traditional_compatible", enum: []string{"traditional", "traditional_compatible", "expressions"}, set: setRouterFlavor,
			about: "How routes are matched. Only `traditional_compatible` is offered."},
		{name: "worker_state_update_frequency", kind: number, value: "5", set: accept,
			about: "Seconds after which Kong's workers look for changes. Changes take effect at once here, so that any value is kept."},
		{name: "worker_consistency", kind: enum, value: "eventual", enum: []string{"strict", "eventual"}, set: accept,
			about: "Whether requests wait for a new router. A new one is swapped in whole here, and no request waits."},
		{name: "router_consistency", kind: enum, enum: []string{"strict", "eventual"}, set: accept, about: "Its old name."},
		{name: "error_default_type", kind: enum, value: "text/plain", enum: []string{"application/json", "application/xml", "text/html", "text/plain"},
			about: "The form of errors for clients that accept none by name."},
		{name: "error_template_html", about: "File with another form of errors as HTML."},
		{name: "error_template_json", about: "The same as JSON."},
		{name: "error_template_xml", about: "The same as XML."},
		{name: "error_template_plain", about: "The same as plain text."},
		{name: "request_debug", kind: boolean, value: "on", about: "Whether a request may ask for its own timing."},
		{name: "request_debug_token", secret: true, about: "The token that it needs for that."},
		{name: "concurrency_timeout", kind: number, value: "60000", about: "Milliseconds that workers wait for each other."},
	}
}

// latencyHeaders and serverHeaders are what the two tokens stand for.
var (
	serverHeaders  = []string{"server", "via"}
	latencyHeaders = []string{"x-kong-proxy-latency", "x-kong-response-latency", "x-kong-admin-latency", "x-kong-upstream-latency"}
	singleHeaders  = []string{"x-kong-upstream-status", "x-kong-request-id"}
)

func setHeaders(c *Config, value string) error {
	c.Proxy.Headers = []string{}
	for _, name := range list(strings.ToLower(value)) {
		switch {
		case name == "off":
		case name == "server_tokens":
			c.Proxy.Headers = append(c.Proxy.Headers, serverHeaders...)
		case name == "latency_tokens":
			c.Proxy.Headers = append(c.Proxy.Headers, latencyHeaders...)
		case slices.Contains(slices.Concat(serverHeaders, latencyHeaders, singleHeaders), name):
			c.Proxy.Headers = append(c.Proxy.Headers, name)
		default:
			return fmt.Errorf("%q is no header that Kong adds; there are server_tokens, latency_tokens, %s", short(name),
				strings.Join(slices.Concat(serverHeaders, latencyHeaders, singleHeaders), ", "))
		}
	}
	slices.Sort(c.Proxy.Headers)
	c.Proxy.Headers = slices.Compact(c.Proxy.Headers)
	return nil
}

func setHeadersUpstream(c *Config, value string) error {
	c.Proxy.HeadersUpstream = []string{}
	for _, name := range list(strings.ToLower(value)) {
		switch name {
		case "off":
		case "x-kong-request-id":
			c.Proxy.HeadersUpstream = []string{name}
		default:
			return fmt.Errorf("%q is no header that Kong adds to requests; there is X-Kong-Request-Id", short(name))
		}
	}
	return nil
}

func setTrustedIPs(c *Config, value string) error {
	c.Proxy.TrustedIPs = nil
	for _, element := range list(value) {
		if element == "unix:" {
			continue // nobody listens at UNIX sockets here
		}
		block, err := netip.ParsePrefix(element)
		if address, failed := netip.ParseAddr(element); err != nil && failed == nil {
			block, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err != nil {
			return fmt.Errorf("%q is neither an IP address nor a CIDR block", short(element))
		}
		c.Proxy.TrustedIPs = append(c.Proxy.TrustedIPs, block.Masked())
	}
	return nil
}

func setRouterFlavor(_ *Config, value string) error {
	if value != "traditional_compatible" {
		return errors.New(value + " is not supported; set router_flavor = traditional_compatible")
	}
	return nil
}
