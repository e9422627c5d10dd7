// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package router

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// target is one path of a route. Its index is its rank.
type target struct {
	route  *Route
	checks *checks // nil: nothing but host and path is asked for
	path   string  // plain, or "" with
	regex  *regex  // what must match instead; both may be unset
}

// placement is a candidate on its way to its place.
type placement struct {
	text  string
	group int32
	candidate
}

// builder collects what a router is made of.
type builder struct {
	router *Router
	placed []placement
}

// New builds a router. It refuses what it could not match as Kong would, a
// regex that Go's regexp does not know; the error names the route and the field.
// The routes must not change any more.
func New(routes []Route) (*Router, error) {
	entries := make([]entry, 0, len(routes))
	for i := range routes {
		var err error
		if entries, err = split(entries, &routes[i]); err != nil {
			return nil, err
		}
	}
	if len(entries) > math.MaxInt32 {
		return nil, fmt.Errorf("%d routes are more than the router can hold", len(entries))
	}
	sortEntries(entries)
	b := builder{
		router: &Router{
			targets: make([]target, 0, len(entries)),
			exact:   map[string]int32{}, suffix: map[string]int32{}, prefix: map[string]int32{}, anyHost: -1,
		},
		placed: make([]placement, 0, len(entries)),
	}
	for i := range entries {
		b.add(&entries[i])
	}
	b.settle()
	return b.router, nil
}

// add makes the entry's targets and places them under each of its hosts.
func (b *builder) add(e *entry) {
	first := len(b.router.targets)
	for _, path := range e.paths {
		b.router.targets = append(b.router.targets, target{route: e.route, checks: e.checks, path: path})
	}
	for _, regex := range e.regexes {
		b.router.targets = append(b.router.targets, target{route: e.route, checks: e.checks, regex: regex})
	}
	if len(b.router.targets) == first {
		b.router.targets = append(b.router.targets, target{route: e.route, checks: e.checks})
	}
	for rank := first; rank < len(b.router.targets); rank++ {
		t := &b.router.targets[rank]
		text := t.path
		if t.regex != nil {
			text = t.regex.literal
		}
		if len(e.route.Hosts) == 0 {
			b.place(text, b.anyGroup(), candidate{rank: int32(rank)})
		}
		for _, pattern := range e.route.Hosts {
			b.placeHost(text, parseHost(pattern), int32(rank))
		}
	}
}

func (b *builder) place(text string, group int32, c candidate) {
	b.placed = append(b.placed, placement{text, group, c})
}

func (b *builder) placeHost(text string, pattern host, rank int32) {
	c := candidate{rank: rank, port: int32(pattern.port)}
	switch {
	case pattern.kind == exactHost:
		b.place(text, b.group(b.router.exact, pattern.name), c)
	case pattern.kind == suffixHost && strings.HasPrefix(pattern.name, "."):
		b.place(text, b.group(b.router.suffix, pattern.name), c)
	case pattern.kind == prefixHost && strings.HasSuffix(pattern.name, "."):
		b.place(text, b.group(b.router.prefix, pattern.name), c)
	default:
		c.pattern = &pattern
		b.place(text, b.anyGroup(), c)
	}
}

func (b *builder) group(of map[string]int32, name string) int32 {
	id, found := of[name]
	if !found {
		id = b.newGroup()
		of[name] = id
	}
	return id
}

func (b *builder) anyGroup() int32 {
	if b.router.anyHost < 0 {
		b.router.anyHost = b.newGroup()
	}
	return b.router.anyHost
}

func (b *builder) newGroup() int32 {
	b.router.groups = append(b.router.groups, group{})
	return int32(len(b.router.groups) - 1)
}

// settle sorts what was placed into groups, nodes and candidates.
func (b *builder) settle() {
	slices.SortFunc(b.placed, func(a, b placement) int {
		if a.group != b.group {
			return cmp.Compare(a.group, b.group)
		}
		if order := strings.Compare(a.text, b.text); order != 0 {
			return order
		}
		return cmp.Compare(a.rank, b.rank)
	})
	r := b.router
	r.candidates = make([]candidate, 0, len(b.placed))
	r.nodes = make([]node, 0, len(b.placed))
	for i := range b.placed {
		p := &b.placed[i]
		if i == 0 || p.group != b.placed[i-1].group {
			r.groups[p.group].from, r.groups[p.group].first = int32(len(r.nodes)), p.rank
		}
		if i == 0 || p.group != b.placed[i-1].group || p.text != b.placed[i-1].text {
			r.nodes = append(r.nodes, node{text: p.text, parent: b.parent(p), from: int32(i)})
			r.groups[p.group].to = int32(len(r.nodes))
		}
		r.groups[p.group].first = min(r.groups[p.group].first, p.rank)
		r.candidates = append(r.candidates, p.candidate)
		r.nodes[len(r.nodes)-1].to = int32(len(r.candidates))
	}
	r.nodes = slices.Clip(r.nodes)
}

// parent finds the longest node of the group that is a prefix of what comes
// next: the last node, or who that is linked to.
func (b *builder) parent(next *placement) int32 {
	r := b.router
	at := int32(len(r.nodes)) - 1
	if at < r.groups[next.group].from {
		return -1
	}
	for at >= 0 && !strings.HasPrefix(next.text, r.nodes[at].text) {
		at = r.nodes[at].parent
	}
	return at
}
