// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package router

import (
	"net/http"
	"net/netip"
	"time"
)

// Route is one route of a configuration, with Kong 3.9's fields. A matcher that
// is empty asks for nothing; one that is set must hold.
type Route struct {
	ID, Name  string
	Protocols []string // http, https, grpc, grpcs
	Methods   []string // upper case
	Hosts     []string // "a.b", "*.a.b", "a.*", each with an optional ":port"
	Paths     []string // "/a" is a prefix, "~/a$" a regex
	SNIs      []string // as hosts, without a port; looked at over TLS only
	// Headers maps a header's name to the values of which one must be there,
	// in any case. A single value that starts with "~*" is a regex.
	Headers               map[string][]string
	Sources, Destinations []Peer

	RegexPriority  int
	StripPath      bool
	PreserveHost   bool
	PathHandling   string // v0; v1 is not honoured by this flavour of the router
	RedirectStatus int    // https_redirect_status_code: 426, 301, 302, 307 or 308

	RequestBuffering, ResponseBuffering bool

	Service *Service // nil: a matched request is answered with 503
}

// Peer is an address with an optional port: one element of sources or
// destinations.
type Peer struct {
	Prefix netip.Prefix // the zero prefix stands for any address
	Port   int          // 0 stands for any port
}

// Service is where a route's requests go. Routes of one service share it.
type Service struct {
	ID, Name string
	Protocol string // http, https, grpc, grpcs
	Host     string // a name, an address or the name of an upstream
	Port     int
	Path     string // "" stands for "/"
	Retries  int

	ConnectTimeout, WriteTimeout, ReadTimeout time.Duration

	TLSVerify         *bool    // nil: as the node's tls settings say
	TLSVerifyDepth    int      // 0: as the node's tls settings say
	CACertificates    []string // ids
	ClientCertificate string   // id, or ""
}

// Request is what the router looks at.
type Request struct {
	Method string
	Scheme string // http or https
	Host   string // as in the Host header, with its port if it has one
	Path   string // as on the request line, without the query
	SNI    string // the name asked for in the TLS handshake, or ""
	Header http.Header

	// Source is the client, Destination the listener's own address.
	Source, Destination netip.AddrPort
}
