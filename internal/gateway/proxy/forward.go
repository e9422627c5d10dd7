// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	"blackout/internal/gateway/entity"
)

// rewrite turns the client's request into the one that the service gets.
func (x *exchange) rewrite(request *httputil.ProxyRequest) {
	out := request.Out
	changes := &x.plugins.Upstream
	path := changes.Path
	if path == "" {
		path = x.match.UpstreamPath()
	}
	out.Method = changes.Method
	out.URL.Scheme, out.URL.Host = x.service.scheme, x.service.address
	setPath(out.URL, entity.EscapePath(path))
	// The query goes out as it came, also where it cannot be parsed.
	out.URL.RawQuery, out.URL.ForceQuery = changes.Query, request.In.URL.ForceQuery
	out.ContentLength = x.length
	if x.held {
		out.TransferEncoding = nil
	}
	x.hopHeaders(request.In.Header, out.Header)
	x.forwardedHeaders(request.In.Header, out.Header)
	out.Host = x.host("")
}

// setPath sets a path that is escaped already. One that starts with "//" would
// be taken for an authority.
func setPath(address *url.URL, escaped string) {
	if !strings.HasPrefix(escaped, "//") {
		address.Opaque = escaped
		return
	}
	plain, err := url.PathUnescape(escaped)
	if err != nil {
		plain = escaped // has no escapes that could be meant
	}
	address.Path, address.RawPath = plain, escaped
}

// host is the Host that the service gets; of is the upstream's if it has one.
func (x *exchange) host(of string) string {
	switch {
	case x.plugins.Upstream.Host != "":
		return x.plugins.Upstream.Host
	case x.match.Route.PreserveHost && x.request.Host != "":
		return x.request.Host
	case x.service.upstream == nil:
		return x.service.hostHeader
	}
	return of
}

var keepAlive = []string{"keep-alive"}

// hopHeaders does what Kong does where the reverse proxy goes by the letter:
// the connection to the service is its own, only WebSockets are upgraded, Expect
// was answered here, and Trailer and Proxy-Authorization go through.
func (x *exchange) hopHeaders(in, out http.Header) {
	delete(out, "Expect")
	if upgrade := out["Upgrade"]; upgrade != nil && strings.EqualFold(upgrade[0], "websocket") {
		out["Connection"] = x.value("keep-alive, Upgrade")
	} else {
		if upgrade != nil {
			delete(out, "Upgrade")
		}
		out["Connection"] = keepAlive
	}
	for _, name := range [...]string{"Trailer", "Proxy-Authorization", "Forwarded"} {
		values := in[name]
		if values == nil || named(in["Connection"], name) {
			continue
		}
		if name == "Trailer" {
			name = "trailer" // net/http leaves out the canonical one
		}
		out[name] = values
	}
}

// named reports whether a header is one of the connection's own.
func named(connection []string, name string) bool {
	for _, line := range connection {
		for option := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(option), name) {
				return true
			}
		}
	}
	return false
}

// forwardedHeaders tells the service where the request came from. What a client
// that is not trusted says of that itself is overwritten, but for the list in
// X-Forwarded-For.
func (x *exchange) forwardedHeaders(in, out http.Header) {
	host := bareHost(x.request.Host)
	if host == "" {
		host = "kong" // nginx's server_name
	}
	through := x.peerText
	if before := in["X-Forwarded-For"]; len(before) > 0 && before[0] != "" {
		through = before[0] + ", " + through
	}
	out["X-Forwarded-For"] = x.value(through)
	out["X-Forwarded-Proto"] = x.believe(in, "X-Forwarded-Proto", x.asked.Scheme)
	out["X-Forwarded-Host"] = x.believe(in, "X-Forwarded-Host", host)
	out["X-Forwarded-Port"] = x.believe(in, "X-Forwarded-Port", x.port)
	out["X-Forwarded-Path"] = x.believe(in, "X-Forwarded-Path", x.path)
	x.prefix(in, out)
	client := x.peerText
	if x.believed {
		client = x.client.String()
	}
	delete(out, "X-Real-Ip")
	out["X-Real-IP"] = x.value(client)
	if x.proxy.headers.requestIDUpstream {
		out["X-Kong-Request-Id"] = x.value(x.id)
	}
	via := x.requestVia()
	if before := in["Via"]; len(before) > 0 {
		via = strings.Join(before, ", ") + ", " + via
	}
	out["Via"] = x.value(via)
}

// believe returns what a trusted peer says, and otherwise what is so.
func (x *exchange) believe(in http.Header, name, fact string) []string {
	if said := in[name]; x.believed && len(said) > 0 && said[0] != "" {
		return said[:1]
	}
	return x.value(fact)
}

func (x *exchange) prefix(in, out http.Header) {
	said := in["X-Forwarded-Prefix"]
	switch {
	case x.believed && len(said) > 0 && said[0] != "":
		out["X-Forwarded-Prefix"] = said[:1]
	case x.match.Route.StripPath && len(x.match.Prefix) > 1:
		out["X-Forwarded-Prefix"] = x.value(x.match.Prefix)
	default:
		delete(out, "X-Forwarded-Prefix")
	}
}

// requestVia is this gateway's entry in a request's Via. Kong shortens 1.0 to 1
// (observed on 3.9.1).
func (x *exchange) requestVia() string {
	switch {
	case x.request.ProtoMajor == 2:
		return "2 " + x.proxy.server
	case x.request.ProtoMinor == 0:
		return "1 " + x.proxy.server
	}
	return x.proxy.via
}
