// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package router

import (
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"blackout/internal/gateway/entity"
)

// question is a request in the form in which it is compared.
type question struct {
	request *Request
	host    string // without its port
	port    int    // of the Host header, 0 if it names none
	path    string // normalised
}

func newQuestion(request *Request) question {
	name, port := splitPort(request.Host)
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
	regexes []*regexp.Regexp
}

func newChecks(route *Route) (*checks, error) {
	c := &checks{methods: route.Methods, sources: route.Sources, destinations: route.Destinations}
	for _, sni := range route.SNIs {
		pattern := parseHost(strings.TrimSuffix(sni, "."))
		pattern.port = 0
		c.snis = append(c.snis, pattern)
	}
	for name, values := range route.Headers {
		made := header{name: http.CanonicalHeaderKey(name)}
		for _, value := range values {
			pattern, isRegex := strings.CutPrefix(value, "~*")
			if !isRegex {
				made.values = append(made.values, strings.ToLower(value))
				continue
			}
			regex, err := compile(strings.ToLower(pattern))
			if err != nil {
				return nil, fmt.Errorf("route %s: headers.%s: %w", route.ID, name, err)
			}
			made.regexes = append(made.regexes, regex)
		}
		c.headers = append(c.headers, made)
	}
	return c, nil
}

func (c *checks) hold(q *question) bool {
	request := q.request
	if len(c.methods) > 0 && !slices.Contains(c.methods, request.Method) {
		return false
	}
	if len(c.snis) > 0 && request.Scheme == "https" &&
		!slices.ContainsFunc(c.snis, func(h host) bool { return h.matchName(request.SNI) }) {
		return false
	}
	for i := range c.headers {
		if !c.headers[i].hold(request.Header) {
			return false
		}
	}
	return holdPeers(c.sources, request.Source) && holdPeers(c.destinations, request.Destination)
}

func (h *header) hold(given http.Header) bool {
	for _, value := range given[h.name] {
		value = strings.ToLower(value)
		if slices.Contains(h.values, value) {
			return true
		}
		for _, regex := range h.regexes {
			if regex.MatchString(value) {
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
