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
//
// # How it searches
//
// Kong ranks all routes and takes the first that matches. So does this router,
// but it looks only at routes that can match: those with the request's host, and
// of these, those whose path, or the text with which their regex begins, is a
// prefix of the request's path. For each host they stand in one sorted list; a
// binary search finds the last one that is not after the request's path, and
// links lead from there to all its prefixes. Every candidate has its rank, and
// the lowest that matches wins.
package router

import "strings"

// Router finds routes.
type Router struct {
	targets []target // in the order of ranks

	// What the targets stand under, by the kind of their host. A name maps to
	// an index into groups.
	exact, suffix, prefix map[string]int32
	anyHost               int32 // the group of those without a host, or -1

	groups     []group
	nodes      []node
	candidates []candidate
}

// group is what stands under one host: nodes from..to, sorted by their text. The
// lowest rank among them is first.
type group struct{ from, to, first int32 }

// node is the text that a path must begin with, and who asks for it.
type node struct {
	text     string
	parent   int32 // the longest other node of the group that is a prefix of text, or -1
	from, to int32 // candidates, the lowest rank first
}

// candidate is a target together with what remains to be asked of the host.
type candidate struct {
	rank    int32
	port    int32 // 0: any
	pattern *host // a wildcard of a kind that has no group of its own, or nil
}

// Match finds the route of a request.
func (r *Router) Match(request *Request) (Match, bool) {
	q := newQuestion(request)
	s := search{router: r, question: &q, best: int32(len(r.targets))}
	if id, found := r.exact[q.host]; found {
		s.look(id)
	}
	if len(r.suffix) > 0 || len(r.prefix) > 0 {
		s.lookWild()
	}
	if r.anyHost >= 0 {
		s.look(r.anyHost)
	}
	if int(s.best) == len(r.targets) {
		return Match{}, false
	}
	t := &r.targets[s.best]
	found := Match{Route: t.route, Path: q.path, Prefix: t.path, regex: t.regex}
	if t.regex != nil {
		found.Prefix = q.path[s.begin:s.end]
	}
	return found, true
}

// search is a search under way, with the best rank so far.
type search struct {
	router     *Router
	question   *question
	best       int32
	begin, end int // of what the best one's regex matched
}

// lookWild looks under every "*.a.b" and "a.*" that the host has.
func (s *search) lookWild() {
	name := s.question.host
	for at := strings.IndexByte(name, '.'); at >= 0; {
		if id, found := s.router.suffix[name[at:]]; found {
			s.look(id)
		}
		if id, found := s.router.prefix[name[:at+1]]; found {
			s.look(id)
		}
		next := strings.IndexByte(name[at+1:], '.')
		if next < 0 {
			return
		}
		at += 1 + next
	}
}

// look asks what stands under one host.
func (s *search) look(id int32) {
	g, path := s.router.groups[id], s.question.path
	if g.first >= s.best {
		return
	}
	at, after := g.from, g.to // the last node whose text is not after path
	for at < after {
		middle := (at + after) / 2
		if s.router.nodes[middle].text <= path {
			at = middle + 1
		} else {
			after = middle
		}
	}
	at--
	if at < g.from {
		return
	}
	// Who is a prefix of path, and not after it, is a prefix of this node too.
	common := commonPrefix(s.router.nodes[at].text, path)
	for ; at >= 0; at = s.router.nodes[at].parent {
		if n := &s.router.nodes[at]; len(n.text) <= common {
			s.ask(s.router.candidates[n.from:n.to])
		}
	}
}

func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

func (s *search) ask(candidates []candidate) {
	for i := range candidates {
		c := &candidates[i]
		if c.rank >= s.best {
			return
		}
		if c.port != 0 && int(c.port) != s.question.port || c.pattern != nil && !c.pattern.matchName(s.question.host) {
			continue
		}
		t := &s.router.targets[c.rank]
		if t.checks != nil && !t.checks.hold(s.question) {
			continue
		}
		if t.regex == nil {
			s.best = c.rank
		} else if at := t.regex.on(s.question.path).FindStringIndex(s.question.path); at != nil {
			s.best, s.begin, s.end = c.rank, at[0], at[1]
		}
	}
}
