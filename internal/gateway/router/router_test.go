// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package router

import (
	"fmt"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"blackout/internal/gateway/entity"
)

// TestOrder lists routes from the first that is asked to the last. Each pair of
// neighbours stands for one rule of a real router.
func TestOrder(t *testing.T) {
	t.Parallel()
	header := func(names ...string) map[string][]string {
		headers := map[string][]string{}
		for _, name := range names {
			headers[name] = []string{"1"}
		}
		return headers
	}
	ordered := []Route{
		// Four kinds or more carry into the sign: above all that has fewer.
		{Methods: []string{"GET"}, Hosts: []string{"a.b"}, Headers: header("x"), SNIs: []string{"a"}, Paths: []string{"/"}},
		{Methods: []string{"GET"}, Hosts: []string{"*.b"}, Headers: header("x", "y"), Paths: []string{"/abc"}},
		{Methods: []string{"GET"}, Hosts: []string{"a.b"}, Headers: header("x"), Paths: []string{"/abc"}},
		{Methods: []string{"GET"}, Hosts: []string{"a.b"}, Headers: header("x"), Paths: []string{"/ab"}},
		// Then plain hosts, and of these the regexes first.
		{Hosts: []string{"a.b"}, Paths: []string{"~/a"}},
		{Hosts: []string{"a.b"}, Methods: []string{"GET"}, Paths: []string{"/abc"}},
		{Hosts: []string{"a.b"}, Paths: []string{"/abc"}},
		{Hosts: []string{"a.b:80", "b.c"}},
		// A regex stands above whatever number of kinds.
		{Methods: []string{"GET"}, Paths: []string{"~/a"}, RegexPriority: 1},
		{Hosts: []string{"*.b"}, Paths: []string{"~/a"}},
		{Paths: []string{"~/a"}, RegexPriority: 7},
		{Paths: []string{"~/a"}},
		// Then kinds, headers, length.
		{Methods: []string{"GET"}, Hosts: []string{"a.b", "*.b"}, Paths: []string{"/"}},
		{Headers: header("x", "y"), Paths: []string{"/"}},
		{Headers: header("x"), Paths: []string{"/abc"}},
		{Methods: []string{"GET"}, Paths: []string{"/abc"}, RegexPriority: 9},
		{Paths: []string{"/ab"}},
		{Paths: []string{"/b"}},
		{Paths: []string{"/a"}},
	}
	// Among equals the greater id is first.
	var entries []entry
	for i := range ordered {
		ordered[i].ID = string(rune('z' - i))
		var err error
		if entries, err = split(entries, &ordered[i]); err != nil {
			t.Fatal(err)
		}
	}
	slices.Reverse(entries)
	sortEntries(entries)
	for i := range entries {
		if entries[i].route != &ordered[i] {
			t.Errorf("place %d: got %+v, want %+v", i, *entries[i].route, ordered[i])
		}
	}
}

// TestPartsOfARoute has the ids of a route's parts, by which ties between split
// routes are decided.
func TestPartsOfARoute(t *testing.T) {
	t.Parallel()
	route := Route{ID: "2a27b713-4256-4c0b-b01b-429bc4eb09a8", Paths: []string{"/ab", "~/x", "/b", "/cd", "~/y"}}
	parts, err := split(nil, &route)
	if err != nil {
		t.Fatal(err)
	}
	type part struct {
		tie     string
		paths   []string
		regexes int
	}
	var got []part
	for _, e := range parts {
		got = append(got, part{e.tie, e.paths, len(e.regexes)})
	}
	want := []part{
		{"4dd03075-e11e-5652-bb42-0470f89ac6ec", []string{"/ab", "/cd"}, 0},
		{"20f7c4d7-c706-5b68-96d1-d1f3ffccba04", nil, 2},
		{"1e7752bf-11d7-5642-a555-e21b906d7b69", []string{"/b"}, 0},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if route.Paths[1] != "~/x" {
		t.Error("the route was changed")
	}
	route.Paths = []string{"/ab", "/cd"}
	if parts, err = split(nil, &route); err != nil || len(parts) != 1 || parts[0].tie != route.ID {
		t.Errorf("paths of one length: got %v, %v", parts, err)
	}
}

func TestMatchers(t *testing.T) {
	t.Parallel()
	listener := netip.MustParseAddrPort("127.0.0.1:8000")
	for name, c := range map[string]struct {
		route Route
		yes   []Request
		no    []Request
	}{
		"method":    {Route{Methods: []string{"GET"}}, []Request{{Method: "GET"}}, []Request{{Method: "get"}, {Method: "POST"}}},
		"host":      {Route{Hosts: []string{"a.b"}}, []Request{{Host: "a.b"}, {Host: "a.b:1"}}, []Request{{Host: "A.B"}, {Host: "a.b."}, {Host: "x.a.b"}, {}}},
		"suffix":    {Route{Hosts: []string{"*.a.b"}}, []Request{{Host: "x.a.b"}, {Host: "y.x.a.b:1"}}, []Request{{Host: "a.b"}, {Host: "xa.b"}}},
		"prefix":    {Route{Hosts: []string{"a.*"}}, []Request{{Host: "a.b"}, {Host: "a.b.c"}}, []Request{{Host: "a"}, {Host: "ab.c"}, {Host: "x.a.b"}}},
		"star":      {Route{Hosts: []string{"*"}}, []Request{{Host: "a"}, {}}, nil},
		"port":      {Route{Hosts: []string{"a.b:81"}}, []Request{{Host: "a.b:81"}, {Host: "a.b:81."}}, []Request{{Host: "a.b"}, {Host: "a.b:82"}}},
		"no port":   {Route{Hosts: []string{"a.b:8000"}}, []Request{{Host: "a.b", Destination: listener}}, []Request{{Host: "a.b:81", Destination: listener}}},
		"header":    {Route{Headers: map[string][]string{"x_y": {"One", "2"}}}, []Request{{Header: http.Header{"X-Y": {"0", "oNE"}}}}, []Request{{Header: http.Header{"X-Y": {"3"}}}, {}}},
		"headers":   {Route{Headers: map[string][]string{"x": {"1"}, "y": {"1"}}}, []Request{{Header: http.Header{"X": {"1"}, "Y": {"1"}}}}, []Request{{Header: http.Header{"X": {"1"}}}}},
		"regex":     {Route{Headers: map[string][]string{"x": {"~*^V\\d$"}}}, []Request{{Header: http.Header{"X": {"v1"}}}}, []Request{{Header: http.Header{"X": {"av1"}}}}},
		"sni":       {Route{SNIs: []string{"a.b.", "*.c"}}, []Request{{Scheme: "https", SNI: "a.b"}, {Scheme: "https", SNI: "x.c"}, {Scheme: "http"}}, []Request{{Scheme: "https"}, {Scheme: "https", SNI: "c"}}},
		"source":    {Route{Sources: []Peer{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}}}, []Request{{Source: listener}, {Source: netip.MustParseAddrPort("[::ffff:127.0.0.1]:1")}}, []Request{{}, {Source: netip.MustParseAddrPort("[::1]:8000")}}},
		"to a port": {Route{Destinations: []Peer{{Port: 1}, {Port: 8000}}}, []Request{{Destination: listener}}, []Request{{}}},
		"plain":     {Route{Paths: []string{"/a/"}}, []Request{{Path: "/a/b"}, {Path: "//x/.././a/"}, {Path: "/%61/"}}, []Request{{Path: "/a"}, {Path: "/A/"}, {Path: "/a%2F"}, {Path: "/a./"}}},
		"none":      {Route{Methods: []string{"GET"}, Hosts: []string{"a"}, Paths: []string{"/a"}}, nil, []Request{{Method: "GET", Host: "a", Path: "/"}, {Method: "GET", Path: "/a"}, {Host: "a", Path: "/a"}}},
	} {
		router, err := New([]Route{c.route})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, request := range c.yes {
			if match, found := router.Match(&request); !found || match.Route.Service != nil {
				t.Errorf("%s: does not match %+v", name, request)
			}
		}
		for _, request := range c.no {
			if _, found := router.Match(&request); found {
				t.Errorf("%s: matches %+v", name, request)
			}
		}
	}
}

func TestUpstreamPath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ base, route, path, stripped, whole string }{
		{"", "/", "/", "/", "/"},
		{"", "/a", "/a", "/", "/a"},
		{"", "/a", "/a/", "/", "/a/"},
		{"", "/a", "/a/b", "/b", "/a/b"},
		{"", "/a", "/ab", "/b", "/ab"},
		{"/s", "/a", "/a", "/s", "/s/a"},
		{"/s", "/a", "/a/", "/s/", "/s/a/"},
		{"/s", "/a/", "/a/", "/s/", "/s/a/"},
		{"/s", "/a", "/a/b", "/s/b", "/s/a/b"},
		{"/s", "/a", "/ab", "/s/b", "/s/ab"},
		{"/s", "/", "/", "/s", "/s"},
		{"/s", "", "/", "/s", "/s"},
		{"/s/", "/a", "/a", "/s", "/s/a"},
		{"/s/", "/a", "/a/", "/s/", "/s/a/"},
		{"/s/", "/a", "/a/b", "/s/b", "/s/a/b"},
		{"/s/", "/a", "/ab", "/s/b", "/s/ab"},
		{"/s/", "/", "/", "/s/", "/s/"},
		{"/s/", "", "/", "/s/", "/s/"},
		{"/s", "", "/x", "/s/x", "/s/x"},
		{"/s", "/a", "/a../b", "/s/b", "/s/a../b"},
		{"/s", "/a", "/a.", "/s", "/s/a."},
		{"/s", "/a", "/a./b", "/s/b", "/s/a./b"},
		{"/s", "~/a|/c", "/b/c/d", "/s/c/d", "/s/b/c/d"}, // as much as was matched, from the beginning
	} {
		for _, strip := range []bool{true, false} {
			route := Route{StripPath: strip, Service: &Service{Path: c.base}}
			if c.route != "" {
				route.Paths = []string{c.route}
			}
			router, err := New([]Route{route})
			if err != nil {
				t.Fatal(err)
			}
			want := c.whole
			if strip {
				want = c.stripped
			}
			match, _ := router.Match(&Request{Path: c.path})
			if got := match.UpstreamPath(); got != want {
				t.Errorf("%q of %q, service %q, strip %v: got %q, want %q", c.path, c.route, c.base, strip, got, want)
			}
		}
	}
}

func TestCaptures(t *testing.T) {
	t.Parallel()
	router, err := New([]Route{{ID: "a", Paths: []string{`~/(?<kind>\w+)/(\d+)`}}, {ID: "b", Paths: []string{"/"}}})
	if err != nil {
		t.Fatal(err)
	}
	match, _ := router.Match(&Request{Path: "/user/7/x"})
	positional, named := match.Captures()
	if match.Prefix != "/user/7" || !slices.Equal(positional, []string{"/user/7", "user", "7"}) || !reflect.DeepEqual(named, map[string]string{"kind": "user"}) {
		t.Errorf("got %q: %q, %q", match.Prefix, positional, named)
	}
	match, _ = router.Match(&Request{Path: "/user/x"})
	if positional, named := match.Captures(); match.Route.ID != "b" || positional != nil || named != nil {
		t.Errorf("without a regex: got %s, %q, %q", match.Route.ID, positional, named)
	}
}

func TestFromTable(t *testing.T) {
	t.Parallel()
	table, err := entity.ParseTable([]byte(`{"_format_version":"3.0","services":[
		{"id":"00000001-0000-4000-8000-000000000001","name":"s","host":"h","port":81,"protocol":"https","path":"/p","tls_verify":false,"read_timeout":5},
		{"id":"00000001-0000-4000-8000-000000000002","host":"h","enabled":false}],
		"routes":[
		{"id":"00000002-0000-4000-8000-000000000001","name":"r","service":"00000001-0000-4000-8000-000000000001","hosts":["a.b"],"headers":{"x":["1"]},"preserve_host":true},
		{"id":"00000002-0000-4000-8000-000000000002","protocols":["tcp"],"service":null,"sources":[{"ip":"10.1.0.0/8","port":7},{"ip":"::1"}]},
		{"id":"00000002-0000-4000-8000-000000000003","service":"00000001-0000-4000-8000-000000000002","paths":["/"]},
		{"id":"00000002-0000-4000-8000-000000000004","paths":["/a"],"strip_path":false}]}`))
	if err != nil {
		t.Fatal(err)
	}
	routes, err := FromTable(table)
	if err != nil || len(routes) != 2 {
		t.Fatalf("got %v, %v, want two routes", routes, err)
	}
	verify := false
	service := &Service{
		ID: "00000001-0000-4000-8000-000000000001", Name: "s", Protocol: "https", Host: "h", Port: 81, Path: "/p", Retries: 5,
		ConnectTimeout: time.Minute, WriteTimeout: time.Minute, ReadTimeout: 5 * time.Millisecond, TLSVerify: &verify, CACertificates: []string{},
	}
	if !reflect.DeepEqual(routes[0].Service, service) {
		t.Errorf("got %+v, want %+v", routes[0].Service, service)
	}
	r := routes[0]
	if r.Name != "r" || !r.PreserveHost || !r.StripPath || r.RedirectStatus != 426 || r.Headers["x"][0] != "1" || !slices.Equal(r.Protocols, []string{"http", "https"}) {
		t.Errorf("got %+v", r)
	}
	if r = routes[1]; r.Service != nil || r.StripPath || r.Paths[0] != "/a" {
		t.Errorf("got %+v", r)
	}
}

// TestFromTableOfMany reads so many routes that they are read in parts, of which some
// are left out: the rest come in their order, and an error is of the first bad one.
func TestFromTableOfMany(t *testing.T) {
	t.Parallel()
	const many = 5000
	table := &entity.Table{Services: []entity.Record{{"id": "off", "enabled": false}}}
	var want []string
	for i := range many {
		record := entity.Record{"id": fmt.Sprintf("r%d", i), "paths": []any{"/"}}
		if i%3 == 0 || i > many-100 {
			record["service"] = "off"
		} else {
			want = append(want, record.ID())
		}
		table.Routes = append(table.Routes, record)
	}
	routes, err := FromTable(table)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, route := range routes {
		got = append(got, route.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %d routes, want %d in their order", len(got), len(want))
	}

	table.Routes[many/3+2]["service"], table.Routes[many-200]["service"] = "gone", "gone"
	if _, err := FromTable(table); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("route r%d:", many/3+2)) {
		t.Errorf("got error %v, want one about the first bad route", err)
	}
}

func TestPeersOfARecord(t *testing.T) {
	t.Parallel()
	record := entity.Record{"sources": []any{
		map[string]any{"ip": "10.1.2.3/8", "port": 7.0}, map[string]any{"ip": "::1"}, map[string]any{"port": 9.0},
	}}
	peers, err := peersOf(record, "sources")
	want := []Peer{{netip.MustParsePrefix("10.0.0.0/8"), 7}, {netip.MustParsePrefix("::1/128"), 0}, {netip.Prefix{}, 9}}
	if err != nil || !reflect.DeepEqual(peers, want) {
		t.Errorf("got %v, %v, want %v", peers, err, want)
	}
	for _, ip := range []string{"x", "1.2.3.4/40"} {
		if _, err := peersOf(entity.Record{"sources": []any{map[string]any{"ip": ip}}}, "sources"); err == nil {
			t.Errorf("%s is accepted", ip)
		}
	}
}
