// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package router

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// entry is what is ranked: a route, or the part of a route whose paths rank
// alike. Kong counts a route with paths of several lengths as several routes,
// and all its regexes as one more.
type entry struct {
	route    *Route
	priority uint64
	tie      string // the id that decides among equal priorities

	paths   []string // plain ones of one length, or
	regexes []*regex
	checks  *checks
}

// splitSpace is the namespace of the ids of a route's parts (Kong 3.9).
var splitSpace = uuid.MustParse("7f145bf9-0dce-4f91-98eb-debbce4b9f6b")

// split appends the entries of a route. Parts are numbered from 1 in the order
// in which the route's paths bring them up.
func split(entries []entry, route *Route) ([]entry, error) {
	checks, err := newChecks(route)
	if err != nil {
		return nil, err
	}
	first := len(entries)
	for i, path := range route.Paths {
		pattern, isRegex := strings.CutPrefix(path, "~")
		part := slices.IndexFunc(entries[first:], func(e entry) bool {
			return isRegex && len(e.regexes) > 0 || !isRegex && len(e.paths) > 0 && len(e.paths[0]) == len(path)
		})
		if part < 0 {
			part = len(entries) - first
			entries = append(entries, entry{route: route, checks: checks})
		}
		e := &entries[first+part]
		if !isRegex {
			if e.paths == nil {
				e.paths = route.Paths[i : i+1 : i+1]
			} else {
				e.paths = append(e.paths, path)
			}
			continue
		}
		regex, err := newPathRegex(pattern)
		if err != nil {
			return nil, fmt.Errorf("route %s: paths: %w", route.ID, err)
		}
		e.regexes = append(e.regexes, regex)
	}
	if len(entries) == first {
		entries = append(entries, entry{route: route, checks: checks})
	}
	parts := entries[first:]
	for i := range parts {
		parts[i].priority, parts[i].tie = priority(&parts[i]), route.ID
		if len(parts) > 1 {
			parts[i].tie = uuid.NewSHA1(splitSpace, fmt.Appendf(nil, "%s#%d", route.ID, i+1)).String()
		}
	}
	return entries, nil
}

// sortEntries puts first who is to be asked first: the highest priority, and
// among equals the greatest id. Ids are unique.
func sortEntries(entries []entry) {
	slices.SortFunc(entries, func(a, b entry) int {
		if a.priority != b.priority {
			return cmp.Compare(b.priority, a.priority)
		}
		return strings.Compare(b.tie, a.tie)
	})
}
