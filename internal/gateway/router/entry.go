// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package router

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// entry is what is ranked and matched: a route, or the part of a route whose
// paths rank alike. Kong counts a route with paths of several lengths as
// several routes, and all its regexes as one more.
type entry struct {
	route    *Route
	priority uint64
	tie      string // the id that decides among equal priorities

	hosts   []host
	paths   []string // plain ones of one length, or
	regexes []*regexp.Regexp
	checks  *checks
}

// splitSpace is the namespace of the ids of a route's parts.
var splitSpace = uuid.MustParse("7f145bf9-0dce-4f91-98eb-debbce4b9f6b")

// split makes the entries of a route.
func split(route *Route) ([]entry, error) {
	hosts := make([]host, 0, len(route.Hosts))
	for _, pattern := range route.Hosts {
		hosts = append(hosts, parseHost(pattern))
	}
	checks, err := newChecks(route)
	if err != nil {
		return nil, err
	}
	whole := entry{route: route, tie: route.ID, hosts: hosts, checks: checks}
	if len(route.Paths) == 0 {
		whole.priority = priority(&whole)
		return []entry{whole}, nil
	}
	plain := map[int]*entry{} // by the length of paths, 0 for the regexes
	for _, path := range route.Paths {
		if err := addPath(plain, whole, path); err != nil {
			return nil, err
		}
	}
	parts := make([]entry, 0, len(plain))
	for i, length := range slices.Sorted(maps.Keys(plain)) {
		part := plain[length]
		part.priority = priority(part)
		if len(plain) > 1 {
			part.tie = uuid.NewSHA1(splitSpace, fmt.Appendf(nil, "%s#%d", route.ID, i+1)).String()
		}
		parts = append(parts, *part)
	}
	return parts, nil
}

func addPath(parts map[int]*entry, whole entry, path string) error {
	pattern, isRegex := strings.CutPrefix(path, "~")
	length := len(path)
	if isRegex {
		length = 0
	}
	if parts[length] == nil {
		parts[length] = &whole
	}
	if !isRegex {
		parts[length].paths = append(parts[length].paths, path)
		return nil
	}
	regex, err := compile("^" + pattern)
	if err != nil {
		return fmt.Errorf("route %s: paths: %w", whole.route.ID, err)
	}
	parts[length].regexes = append(parts[length].regexes, regex)
	return nil
}

// rank sorts the entries: who comes first is asked first.
func rank(entries []entry) {
	slices.SortStableFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(b.tie, a.tie))
	})
}

// Kong 3.9's layout of a priority, from the highest bit down.
const (
	kindsShift   = 61 // how many kinds of matchers there are
	plainHost    = 1 << 60
	headersShift = 52 // how many headers, at most 255
	regexPath    = 1 << 51
	regexShift   = 19 // regex_priority
	lengthMask   = 1<<19 - 1
)

// priority is the number by which Kong ranks entries.
func priority(e *entry) uint64 {
	route := e.route
	var bits uint64
	for _, set := range []bool{
		len(route.Sources) > 0, len(route.Destinations) > 0, len(route.Methods) > 0, len(route.Hosts) > 0,
		len(route.Headers) > 0, len(route.SNIs) > 0, len(route.Paths) > 0,
	} {
		if set {
			bits += 1 << kindsShift
		}
	}
	if len(e.hosts) > 0 && !slices.ContainsFunc(e.hosts, host.wild) {
		bits |= plainHost
	}
	bits |= uint64(min(len(route.Headers), 255)) << headersShift
	if len(e.regexes) > 0 {
		return bits | regexPath | uint64(uint32(max(route.RegexPriority, 0)))<<regexShift
	}
	if len(e.paths) > 0 {
		bits |= uint64(len(e.paths[0])) & lengthMask
	}
	return bits
}

// match reports whether the entry matches, and by which part of the path.
func (e *entry) match(q *question) (Match, bool) {
	if len(e.hosts) > 0 && !slices.ContainsFunc(e.hosts, func(h host) bool { return h.match(q) }) {
		return Match{}, false
	}
	if !e.checks.hold(q) {
		return Match{}, false
	}
	found := Match{Route: e.route, Path: q.path}
	for _, path := range e.paths {
		if strings.HasPrefix(q.path, path) {
			found.Prefix = path
			return found, true
		}
	}
	for _, regex := range e.regexes {
		if at := regex.FindStringIndex(q.path); at != nil {
			found.Prefix, found.regex = q.path[at[0]:at[1]], regex
			return found, true
		}
	}
	return found, len(e.paths)+len(e.regexes) == 0
}
