// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"blackout/internal/gateway/entity"
)

// segments splits a path; a segment may hold an escaped slash.
func segments(address *url.URL) []string {
	parts := strings.Split(strings.Trim(address.EscapedPath(), "/"), "/")
	for i, part := range parts {
		if plain, err := url.PathUnescape(part); err == nil {
			parts[i] = plain
		}
	}
	return parts
}

// special is a path of its own, and what answers there.
type special struct {
	path string
	find func(path []string) endpoint
}

// fixed lists the paths that are not made from the table of schemas; "*" stands
// for any one segment. Where several match, the first one counts.
func fixed() []special {
	return []special{
		{"", always(endpoint{http.MethodGet: (*call).root})},
		{"status", always(endpoint{http.MethodGet: (*call).status})},
		{"endpoints", always(endpoint{http.MethodGet: (*call).endpoints})},
		{"config", always(endpoint{http.MethodGet: (*call).noConfig, http.MethodPost: (*call).noConfig})},
		{"clustering/data-planes", always(endpoint{http.MethodGet: (*call).dataPlanes})},
		{"clustering/status", always(endpoint{http.MethodGet: (*call).clusterStatus})},
		{"tags", always(endpoint{http.MethodGet: func(c *call) { c.tags("") }, http.MethodPost: (*call).noTags})},
		{"tags/*", func(path []string) endpoint {
			return endpoint{http.MethodGet: func(c *call) { c.tags(path[1]) }}
		}},
		{"schemas/*", func(path []string) endpoint {
			return endpoint{http.MethodGet: func(c *call) { c.schema(path[1]) }}
		}},
		{"schemas/*/validate", func(path []string) endpoint {
			return endpoint{http.MethodPost: func(c *call) { c.validate(path[1]) }}
		}},
		{"schemas/plugins/*", func(path []string) endpoint {
			return endpoint{http.MethodGet: func(c *call) { c.pluginSchema(path[2]) }}
		}},
		{"schemas/vaults/*", func(path []string) endpoint {
			return endpoint{http.MethodGet: func(c *call) { c.vaultSchema(path[2]) }}
		}},
		{"plugins/enabled", always(endpoint{http.MethodGet: (*call).enabledPlugins})},
		{"upstreams/*/health", func(path []string) endpoint {
			return endpoint{http.MethodGet: func(c *call) { c.upstreamHealth(path[1]) }}
		}},
		{"upstreams/*/targets/all", func(path []string) endpoint {
			return endpoint{http.MethodGet: func(c *call) { c.allTargets(path[1]) }}
		}},
		{"filter-chains", always(noFilters)},
		{"filter-chains/*", always(noFilters)},
		{"services/*/filter-chains", always(noFilters)},
		{"services/*/filter-chains/*", always(noFilters)},
		{"routes/*/filter-chains", always(noFilters)},
		{"routes/*/filter-chains/*", always(noFilters)},
	}
}

func always(found endpoint) func([]string) endpoint {
	return func([]string) endpoint { return found }
}

// noFilters answers where Kong without WebAssembly does.
var noFilters = func() endpoint {
	refuse := func(c *call) {
		c.message(http.StatusBadRequest, "this endpoint is only available when wasm is enabled")
	}
	return endpoint{http.MethodGet: refuse, http.MethodPost: refuse, http.MethodPut: refuse, http.MethodPatch: refuse, http.MethodDelete: refuse}
}()

func matches(pattern string, path []string) bool {
	want := strings.Split(pattern, "/")
	return slices.EqualFunc(want, path, func(a, b string) bool { return a == "*" && b != "" || a == b })
}

// route finds the endpoint of a path, or nil. Nothing has a name that is not
// UTF-8, and databases refuse to look for one.
func route(path []string) endpoint {
	if !utf8.ValidString(strings.Join(path, "/")) {
		return nil
	}
	for _, special := range fixed() {
		if matches(special.path, path) {
			return special.find(path)
		}
	}
	schema := entity.LookupPath(path[0])
	if schema == nil {
		return nil
	}
	res := resource{schema: schema}
	switch {
	case len(path) == 1 && !schema.Below:
		return res.collection()
	case len(path) == 2 && !schema.Below:
		return res.member(path[1])
	case len(path) > 2 && len(path) <= 4:
		return res.related(path[1], path[2:])
	}
	return nil
}
