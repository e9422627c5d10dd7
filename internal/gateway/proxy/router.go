// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/google/uuid"

	"blackout/internal/gateway/entity"
)

// Service is where a route's requests go.
type Service struct {
	ID, Name string

	protocol   string // http or https
	address    string // "host:port"
	hostHeader string
	path       string
	retries    int
	link       link
}

// Route is one route as the router uses it.
type Route struct {
	ID, Name string
	Service  *Service // nil: the route answers 503

	methods      []string
	stripPath    bool
	preserveHost bool
	plainHTTP    bool // protocols holds http
	redirect     int  // the answer to plain HTTP otherwise
}

// Match is a route that was found, and how.
type Match struct {
	Route  *Route
	Path   string // the request's path, normalised
	Prefix string // the route's path that matched; empty if it has none
}

// Router finds routes. It is immutable and safe for concurrent use.
//
// Kong orders routes by a number (traditional_compatible, 3.9). For the
// matchers here that comes down to, in this order: more kinds of matchers
// first, then those with hosts, then the longer path, then the greater id.
// A table for each number of kinds is asked with the request's host and then
// without a host, for each length that any of its paths has. Hosts are compared
// as they are written, as Kong does.
type Router struct {
	tables [4]matchers // by number of kinds of matchers: methods, hosts, paths
}

type matchers struct {
	lengths []int // of paths, descending
	routes  map[matcherKey][]candidate
}

type matcherKey struct{ host, path string }

// candidate is a route in the order among equals: the greatest rank first.
type candidate struct {
	route *Route
	rank  string
}

// splitSpace is the namespace of the ids that rank a route's parts.
var splitSpace = uuid.MustParse("7f145bf9-0dce-4f91-98eb-debbce4b9f6b")

// ranks returns the rank of a route for each of its paths' lengths. It is the
// route's id; a route whose paths differ in length counts as several, whose ids
// Kong derives from it.
func ranks(id string, paths []string) map[int]string {
	ranked := map[int]string{}
	for _, path := range paths {
		ranked[len(path)] = id
	}
	if len(ranked) < 2 {
		return ranked
	}
	for i, length := range slices.Sorted(maps.Keys(ranked)) {
		ranked[length] = uuid.NewSHA1(splitSpace, fmt.Appendf(nil, "%s#%d", id, i+1)).String()
	}
	return ranked
}

// NewRouter builds a router from a validated configuration. It refuses what
// this data plane would serve wrongly: a configured plugin that it cannot run,
// because dropping it could open a route that asks for a key, and a service
// behind an upstream, because it has no balancer yet.
func NewRouter(table *entity.Table) (*Router, error) {
	for i, plugin := range table.Rows("plugins") {
		if enabled, given := plugin["enabled"].(bool); !given || enabled {
			return nil, fmt.Errorf("plugins.%d: plugin '%s' cannot be run by this data plane", i+1, plugin.Name())
		}
	}
	upstreams := map[string]bool{}
	for _, upstream := range table.Rows("upstreams") {
		upstreams[upstream.Name()] = true
	}
	services := make(map[string]*Service, len(table.Services))
	for i, record := range table.Services {
		if upstreams[record.Text("host")] {
			return nil, fmt.Errorf("services.%d: upstream '%s' cannot be balanced by this data plane", i+1, record.Text("host"))
		}
		services[record.ID()] = serviceOf(record)
	}
	router := &Router{}
	for i := range router.tables {
		router.tables[i].routes = map[matcherKey][]candidate{}
	}
	for i, record := range table.Routes {
		if matcher := foreignMatcher(record); matcher != "" {
			return nil, fmt.Errorf("routes.%d: %s cannot be matched by this data plane", i+1, matcher)
		}
		router.add(record, services[record.Reference("service")])
	}
	router.sort()
	return router, nil
}

// foreignMatcher names a condition of the route that this router does not know:
// a route without one of its conditions would match too much.
func foreignMatcher(record entity.Record) string {
	for _, field := range []string{"headers", "snis", "sources", "destinations"} {
		if record[field] != nil {
			return field
		}
	}
	for _, host := range record.Texts("hosts") {
		if strings.ContainsAny(host, "*:") {
			return "host " + host
		}
	}
	for _, path := range record.Texts("paths") {
		if strings.HasPrefix(path, "~") {
			return "path " + path
		}
	}
	return ""
}

func (r *Router) add(record entity.Record, service *Service) {
	route := &Route{
		ID: record.ID(), Name: record.Name(), Service: service,
		methods:   record.Texts("methods"),
		stripPath: record.Flag("strip_path"), preserveHost: record.Flag("preserve_host"),
		plainHTTP: slices.Contains(record.Texts("protocols"), "http"),
		redirect:  record.Integer("https_redirect_status_code"),
	}
	kinds := 0
	hosts, paths := record.Texts("hosts"), record.Texts("paths")
	for _, matcher := range [][]string{route.methods, hosts, paths} {
		if len(matcher) > 0 {
			kinds++
		}
	}
	if len(hosts) == 0 {
		hosts = []string{""}
	}
	if len(paths) == 0 {
		paths = []string{""}
	}
	table, rank := &r.tables[kinds], ranks(route.ID, paths)
	for _, path := range paths {
		table.lengths = append(table.lengths, len(path))
		for _, host := range hosts {
			key := matcherKey{host, path}
			table.routes[key] = append(table.routes[key], candidate{route, rank[len(path)]})
		}
	}
}

func (r *Router) sort() {
	for i := range r.tables {
		table := &r.tables[i]
		slices.SortFunc(table.lengths, func(a, b int) int { return cmp.Compare(b, a) })
		table.lengths = slices.Compact(table.lengths)
		for _, candidates := range table.routes {
			slices.SortFunc(candidates, func(a, b candidate) int { return cmp.Compare(b.rank, a.rank) })
		}
	}
}

// Match finds the route of a request. The host may carry a port, which is not
// looked at; the path is escaped, as it stands in the request line.
func (r *Router) Match(method, host, path string) (Match, bool) {
	path = entity.NormalizePath(path)
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	for kinds := len(r.tables) - 1; kinds > 0; kinds-- {
		table := &r.tables[kinds]
		for _, name := range []string{host, ""} {
			if route, prefix := table.find(method, name, path); route != nil {
				return Match{Route: route, Path: path, Prefix: prefix}, true
			}
			if host == "" {
				break
			}
		}
	}
	return Match{}, false
}

func (m *matchers) find(method, host, path string) (*Route, string) {
	for _, length := range m.lengths {
		if length > len(path) {
			continue
		}
		for _, found := range m.routes[matcherKey{host, path[:length]}] {
			if methods := found.route.methods; len(methods) == 0 || slices.Contains(methods, method) {
				return found.route, path[:length]
			}
		}
	}
	return nil, ""
}
