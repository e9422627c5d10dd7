// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package router

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"blackout/internal/gateway/entity"
)

// oracle finds a route as the rule is told: it asks every entry, the highest
// rank first, and takes the first that matches.
func oracle(entries []entry, request *Request) (Match, bool) {
	q := newQuestion(request)
	for _, e := range entries {
		if !oracleHost(e.route.Hosts, &q) || e.checks != nil && !e.checks.hold(&q) {
			continue
		}
		if prefix, ok := oraclePath(&e, q.path); ok {
			return Match{Route: e.route, Path: q.path, Prefix: prefix}, true
		}
	}
	return Match{}, false
}

func oracleHost(patterns []string, q *question) bool {
	for _, pattern := range patterns {
		h := parseHost(pattern)
		if (h.port == 0 || h.port == q.port) && h.matchName(q.host) {
			return true
		}
	}
	return len(patterns) == 0
}

func oraclePath(e *entry, path string) (string, bool) {
	for _, plain := range e.paths {
		if strings.HasPrefix(path, plain) {
			return plain, true
		}
	}
	for _, regex := range e.regexes {
		if regex.on(path).MatchString(path) {
			return regex.on(path).FindString(path), true
		}
	}
	return "", len(e.paths)+len(e.regexes) == 0
}

var (
	drawnHosts = []string{"a.b", "x.a.b", "a.b:80", "a.b:8000", "*.a.b", "*.b:8000", "*.b", "a.*", "x.*", "x.a.*:80", "*b", "x*", "::1"}
	drawnPaths = []string{
		"/", "/a", "/a/", "/a/b", "/a/b/", "/ab", "/é", "/a/b/c/d", "/b", "~/a", "~/a$", "~/b|/a", "~/(a|b)/c", "~/A", "~/(?i)A/b",
		`~/\w+$`, "~/[a-b]+/", "~/a?b", "~/é+", "~", "~.*/b", "~/a/(?<rest>.*)",
	}
	drawnNames    = []string{"a.b", "x.a.b", "y.x.a.b", "a.c", "x.y", "b", "A.B", "a.b.", "", "[::1]", "x"}
	drawnSegments = []string{"a", "b", "ab", "A", "c", "é", "%61", ".", "..", "", "d"}
	drawnMethods  = []string{"GET", "POST", "PUT"}
	drawnValues   = []string{"1", "Two", "~*^t", "three"}
)

func drawRoute(t *rapid.T, n int) Route {
	some := func(name string, of []string, most int) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, most, rapid.ID).Draw(t, name)
	}
	route := Route{
		ID:            fmt.Sprintf("%08x-0000-4000-8000-%012x", rapid.IntRange(0, 1<<20).Draw(t, "id"), n),
		Hosts:         some("hosts", drawnHosts, 3),
		Paths:         some("paths", drawnPaths, 4),
		Methods:       some("methods", drawnMethods, 2),
		SNIs:          some("snis", []string{"a.b", "x.a.b."}, 1),
		RegexPriority: rapid.IntRange(0, 5000).Draw(t, "regex_priority"),
	}
	for _, name := range some("headers", []string{"X-One", "x_two"}, 2) {
		if route.Headers == nil {
			route.Headers = map[string][]string{}
		}
		route.Headers[name] = some("values", drawnValues, 2)
	}
	if rapid.Bool().Draw(t, "with destinations") {
		route.Destinations = []Peer{{Port: rapid.SampledFrom([]int{80, 8000}).Draw(t, "destination")}}
	}
	return route
}

func drawRequest(t *rapid.T) *Request {
	from := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
	host := from("host", drawnNames...) + from("port", "", "", ":80", ":8000", ":80.", ":x")
	path := "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(drawnSegments), 0, 5).Draw(t, "path"), "/")
	header := http.Header{}
	for _, name := range []string{"X-One", "X-Two"} {
		header[name] = rapid.SliceOfN(rapid.SampledFrom([]string{"1", "tWO", "three", "x"}), 0, 2).Draw(t, name)
	}
	return &Request{
		Method: from("method", drawnMethods...), Scheme: from("scheme", "http", "https"), Host: host, Path: path,
		SNI: from("sni", "", "a.b", "x.a.b"), Header: header,
		Destination: netip.AddrPortFrom(netip.IPv6Loopback(), uint16(rapid.SampledFrom([]int{80, 8000}).Draw(t, "listener"))),
	}
}

// TestMatchAgreesWithAskingAll compares the search by host and prefix with
// asking every route in turn.
func TestMatchAgreesWithAskingAll(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var routes []Route
		for n := range rapid.IntRange(0, 12).Draw(t, "routes") {
			routes = append(routes, drawRoute(t, n))
		}
		router, err := New(routes)
		if err != nil {
			t.Fatal(err)
		}
		var entries []entry
		for i := range routes {
			if entries, err = split(entries, &routes[i]); err != nil {
				t.Fatal(err)
			}
		}
		sortEntries(entries)
		for range 8 {
			request := drawRequest(t)
			got, found := router.Match(request)
			want, wanted := oracle(entries, request)
			if found != wanted || found && (got.Route != want.Route || got.Prefix != want.Prefix || got.Path != want.Path) {
				t.Fatalf("%s %s%s: got %v by %q, want %v by %q", request.Method, request.Host, request.Path, got.Route, got.Prefix, want.Route, want.Prefix)
			}
		}
	})
}

// FuzzMatch looks for a request that the router cannot bear, or for which it
// disagrees with asking every route in turn.
func FuzzMatch(f *testing.F) {
	var routes []Route
	for i, path := range drawnPaths {
		for j, host := range append(slices.Clone(drawnHosts), "") {
			route := Route{ID: fmt.Sprintf("%08x-0000-4000-8000-%012x", i, j), Paths: []string{path}}
			if host != "" {
				route.Hosts = []string{host}
			}
			routes = append(routes, route)
		}
	}
	router, err := New(routes)
	if err != nil {
		f.Fatal(err)
	}
	var entries []entry
	for i := range routes {
		if entries, err = split(entries, &routes[i]); err != nil {
			f.Fatal(err)
		}
	}
	sortEntries(entries)
	f.Add("a.b:80", "/a/%62//../c")
	f.Add("x.a.b.", "/%C3%A9/%")
	f.Add("[::1]:80", "../..")
	f.Fuzz(func(t *testing.T, host, path string) {
		request := &Request{Method: "GET", Scheme: "http", Host: host, Path: path}
		got, found := router.Match(request)
		want, wanted := oracle(entries, request)
		if found != wanted || found && (got.Route != want.Route || got.Prefix != want.Prefix) {
			t.Fatalf("%q %q: got %v by %q, want %v by %q", host, path, got.Route, got.Prefix, want.Route, want.Prefix)
		}
		if found {
			got.UpstreamPath()
			got.Captures()
		}
	})
}

// FuzzConfiguration builds routers of whatever validation lets through.
func FuzzConfiguration(f *testing.F) {
	f.Add([]byte(`{"_format_version":"3.0","routes":[{"id":"00000002-0000-4000-8000-000000000001","paths":["~/a(?<x>\\d+)","/b"],`+
		`"hosts":["*.a:80","b"],"headers":{"x":["~*a"]},"methods":["GET"],"snis":["a"],"regex_priority":-1}]}`), "/a1")
	f.Add([]byte(`{"_format_version":"3.0","services":[{"id":"00000001-0000-4000-8000-000000000001","host":"h"}],`+
		`"routes":[{"id":"00000002-0000-4000-8000-000000000001","service":"00000001-0000-4000-8000-000000000001","hosts":["a"]}]}`), "/")
	f.Fuzz(func(_ *testing.T, raw []byte, path string) {
		table, err := entity.ParseTable(raw)
		if err != nil {
			return
		}
		routes, err := FromTable(table)
		if err != nil {
			return
		}
		router, err := New(routes)
		if err != nil {
			return
		}
		header := http.Header{"X": {"a"}}
		if match, found := router.Match(&Request{Method: "GET", Scheme: "https", Host: "x.a:80", Path: path, SNI: "a", Header: header}); found {
			match.UpstreamPath()
			match.Captures()
		}
	})
}
