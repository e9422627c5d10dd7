// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package router

import (
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"blackout/internal/gateway/entity"
)

// question is a request in the form in which routes ask about it.
type question struct {
	request *Request
	host    string // the Host header's name, in the case in which it came
	port    int    // the Host header's, or if it has none the listener's
	path    string // normalised
}

func newQuestion(request *Request) question {
	name, port := splitPort(request.Host)
	if port == 0 {
		port = int(request.Destination.Port())
	}
	return question{request: request, host: name, port: port, path: entity.NormalizePath(request.Path)}
}

// checks are a route's matchers besides hosts and paths. Each that is set must
// hold, which it does if one of its values fits.
type checks struct {
	methods               []string
	snis                  []host
	headers               []headerCheck
	sources, destinations []Peer
}

// newChecks returns nil for a route that asks for hosts and paths only.
func newChecks(route *Route) (*checks, error) {
	if len(route.Methods)+len(route.SNIs)+len(route.Headers)+len(route.Sources)+len(route.Destinations) == 0 {
		return nil, nil
	}
	c := &checks{methods: route.Methods, sources: route.Sources, destinations: route.Destinations}
	for _, name := range route.SNIs {
		// In a handshake names have no last dot (RFC 6066, section 3).
		c.snis = append(c.snis, parseHost(strings.TrimSuffix(name, ".")))
	}
	for _, name := range slices.Sorted(maps.Keys(route.Headers)) {
		header, err := newHeaderCheck(name, route.Headers[name])
		if err != nil {
			return nil, fmt.Errorf("route %s: headers.%s: %w", route.ID, name, err)
		}
		c.headers = append(c.headers, header)
	}
	return c, nil
}

func (c *checks) hold(q *question) bool {
	request := q.request
	if len(c.methods) > 0 && !slices.Contains(c.methods, request.Method) {
		return false
	}
	if len(c.snis) > 0 && request.Scheme == "https" && !c.names(request.SNI) {
		return false
	}
	for i := range c.headers {
		if !c.headers[i].holds(request.Header) {
			return false
		}
	}
	return meets(c.sources, request.Source) && meets(c.destinations, request.Destination)
}

func (c *checks) names(sni string) bool {
	for i := range c.snis {
		if c.snis[i].matchName(sni) {
			return true
		}
	}
	return false
}

// headerCheck asks for a header of which some value is among the given ones, or
// matches the regex. Case makes no difference to either (observed on Kong 3.9.1:
// "~*^Green" matches "greenish", "~*blue" matches "BLUE").
type headerCheck struct {
	name   string // as http.Header spells it
	values []string
	regex  *regex // instead of the values, or nil
}

// newHeaderCheck takes a value that begins with "~*" for a regex if there is no
// other. Underscores in a name stand for dashes, as in nginx's variables.
func newHeaderCheck(name string, values []string) (headerCheck, error) {
	h := headerCheck{name: http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-")), values: values}
	if len(values) != 1 {
		return h, nil
	}
	pattern, isRegex := strings.CutPrefix(values[0], "~*")
	if !isRegex {
		return h, nil
	}
	var err error
	h.regex, err = newRegex("(?i)" + pattern)
	return h, err
}

func (h *headerCheck) holds(header http.Header) bool {
	for _, value := range header[h.name] {
		if h.regex != nil {
			if h.regex.on(value).MatchString(value) {
				return true
			}
			continue
		}
		for _, wanted := range h.values {
			if strings.EqualFold(wanted, value) {
				return true
			}
		}
	}
	return false
}

// meets reports whether an end of the connection is among the peers. No peers
// ask for nothing.
func meets(peers []Peer, end netip.AddrPort) bool {
	if len(peers) == 0 {
		return true
	}
	address, port := end.Addr().Unmap(), int(end.Port())
	for _, peer := range peers {
		if (peer.Port == 0 || peer.Port == port) && (!peer.Prefix.IsValid() || peer.Prefix.Contains(address)) {
			return true
		}
	}
	return false
}
