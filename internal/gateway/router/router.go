// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package router finds the route of a request as Kong 3.9 does with its
// default router (router_flavor = traditional_compatible). Its central type is
// [Router]: built once from a configuration, immutable, safe for concurrent
// use, and about as fast with 100 000 routes as with ten.
//
//	routes, err := router.FromTable(table)
//	r, err := router.New(routes)
//	match, found := r.Match(&router.Request{Method: "GET", Scheme: "http", Host: "example.com", Path: "/a/b"})
//
// The package decides which route a request has and what path the upstream
// gets ([Match.UpstreamPath]). It sends nothing and answers nothing.
package router

// Router finds routes.
type Router struct{ entries []entry }

// New builds a router. It refuses what it could not match as Kong would: a
// regex that doesn't compile or an address that is no prefix. The error names
// the route and the field.
func New(routes []Route) (*Router, error) {
	r := &Router{}
	for i := range routes {
		parts, err := split(&routes[i])
		if err != nil {
			return nil, err
		}
		r.entries = append(r.entries, parts...)
	}
	rank(r.entries)
	return r, nil
}

// Match finds the route of a request.
func (r *Router) Match(request *Request) (Match, bool) {
	asked := newQuestion(request)
	for i := range r.entries {
		if match, ok := r.entries[i].match(&asked); ok {
			return match, true
		}
	}
	return Match{}, false
}
