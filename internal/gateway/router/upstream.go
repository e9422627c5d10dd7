// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package router

import "strings"

// Match is a route that was found, and how.
type Match struct {
	Route  *Route
	Path   string // the request's path, normalised
	Prefix string // what the route's path matched of it; "" if the route has none

	regex *regex // what matched, if it was a regex
}

// Captures returns what the route's regex captured: by number, the whole match
// first, and by name. Both are nil if no regex matched.
func (m *Match) Captures() (positional []string, named map[string]string) {
	if m.regex == nil {
		return nil, nil
	}
	compiled := m.regex.on(m.Path)
	positional = compiled.FindStringSubmatch(m.Path)
	for i, name := range compiled.SubexpNames() {
		if name == "" || i >= len(positional) {
			continue
		}
		if named == nil {
			named = map[string]string{}
		}
		named[name] = positional[i]
	}
	return positional, named
}

// UpstreamPath is the path that the service gets: the service's own joined
// with the request's, without the matched part if the route strips it. It is
// not escaped (Kong 3.9, path_handling v0).
func (m *Match) UpstreamPath() string {
	base := "/"
	if service := m.Route.Service; service != nil && service.Path != "" {
		base = service.Path
	}
	if !m.Route.StripPath {
		return joinWhole(base, m.Path)
	}
	return joinRest(base, m.Path, stepInto(m.Path[min(max(len(m.Prefix), 1), len(m.Path)):]))
}

// stepInto takes from what is left of a path a dot segment that only the
// stripping brought about: "/a" stripped of "/a../b" leaves "../b".
func stepInto(rest string) string {
	switch {
	case rest == ".", rest == "..":
		return ""
	case strings.HasPrefix(rest, "./"):
		return rest[len("./"):]
	}
	return strings.TrimPrefix(rest, "../")
}

// joinRest joins the service's path and what is left of the request's.
func joinRest(base, path, rest string) string {
	trimmed := strings.TrimSuffix(base, "/")
	closed := strings.HasSuffix(path, "/")
	switch {
	case strings.HasPrefix(rest, "/"):
		return trimmed + rest
	case rest != "":
		return trimmed + "/" + rest
	case base == "/" || closed && trimmed != base:
		return base
	case closed && path != "/":
		return base + "/"
	}
	return trimmed
}

// joinWhole joins the service's path and the whole of the request's.
func joinWhole(base, path string) string {
	if path == "/" {
		return base
	}
	return strings.TrimSuffix(base, "/") + path
}
