// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package router

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"blackout/internal/gateway/entity"
)

// question is a request in the form in which it is compared.
type question struct {
	request *Request
	host    string // without its port
	port    int    // of the Host header, or else the listener's
	path    string // normalised
}

func newQuestion(request *Request) question {
	name, port := splitPort(request.Host)
	if port == 0 {
		port = int(request.Destination.Port())
	}
	return question{request: request, host: name, port: port, path: entity.NormalizePath(request.Path)}
}

// checks are a route's matchers other than hosts and paths.
type checks struct {
	methods      []string
	snis         []host
	headers      []header
	sources      []Peer
	destinations []Peer
}

// header is a header of which one value must be as one of these.
type header struct {
	name    string // canonical
	values  []string
	regexes []*regex
}

// newChecks returns nil if there is nothing to check.
func newChecks(route *Route) (*checks, error) {
	if len(route.Methods)+len(route.SNIs)+len(route.Headers)+len(route.Sources)+len(route.Destinations) == 0 {
		return nil, nil
	}
	c := &checks{methods: route.Methods, sources: route.Sources, destinations: route.Destinations}
	for _, sni := range route.SNIs {
		// A server name comes without a last dot (RFC 6066, section 3).
		c.snis = append(c.snis, parseHost(strings.TrimSuffix(sni, ".")))
	}
	for name, values := range route.Headers {
		h, err := newHeader(name, values)
		if err != nil {
			return nil, fmt.Errorf("route %s: headers.%s: %w", route.ID, name, err)
		}
		c.headers = append(c.headers, h)
	}
	return c, nil
}

func newHeader(name string, values []string) (header, error) {
	made := header{name: http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))}
	for _, value := range values {
		pattern, isRegex := strings.CutPrefix(value, "~*")
		if !isRegex {
			made.values = append(made.values, value)
			continue
		}
		regex, err := newRegex("(?i)" + pattern)
		if err != nil {
			return header{}, err
		}
		made.regexes = append(made.regexes, regex)
	}
	return made, nil
}

func (c *checks) hold(q *question) bool {
	request := q.request
	if len(c.methods) > 0 && !slices.Contains(c.methods, request.Method) {
		return false
	}
	if len(c.snis) > 0 && request.Scheme == "https" && !holdNames(c.snis, request.SNI) {
		return false
	}
	for i := range c.headers {
		if !c.headers[i].hold(request.Header) {
			return false
		}
	}
	return holdPeers(c.sources, request.Source) && holdPeers(c.destinations, request.Destination)
}

func holdNames(patterns []host, name string) bool {
	for i := range patterns {
		if patterns[i].matchName(name) {
			return true
		}
	}
	return false
}

func (h *header) hold(given http.Header) bool {
	for _, value := range given[h.name] {
		for _, wanted := range h.values {
			if strings.EqualFold(wanted, value) {
				return true
			}
		}
		for _, regex := range h.regexes {
			if regex.on(value).MatchString(value) {
				return true
			}
		}
	}
	return false
}

func holdPeers(peers []Peer, given netip.AddrPort) bool {
	for _, peer := range peers {
		if (peer.Port == 0 || peer.Port == int(given.Port())) &&
			(!peer.Prefix.IsValid() || peer.Prefix.Contains(given.Addr().Unmap())) {
			return true
		}
	}
	return len(peers) == 0
}
