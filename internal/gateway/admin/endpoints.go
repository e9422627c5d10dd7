// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"net/http"
	"slices"
	"strings"

	"blackout/internal/gateway/entity"
)

// endpoints is GET /endpoints: every path there is, with names for what stands
// at the stars.
func (c *call) endpoints() {
	var paths []string
	for _, special := range fixed() {
		paths = append(paths, "/"+spell(special.path))
	}
	for _, schema := range append(entity.All(), entity.Credentials()...) {
		own := "/" + schema.Path
		member := own + "/{" + schema.Name + "}"
		if !schema.Below {
			paths = append(paths, own, member)
			for _, field := range schema.Foreign() {
				paths = append(paths, member+"/"+field.Name)
			}
		}
		for _, referrer := range referrers(schema) {
			below := member + "/" + referrer.Schema.ChildPath()
			paths = append(paths, below, below+"/{"+referrer.Schema.Name+"}")
		}
	}
	slices.Sort(paths)
	c.sendPaths(slices.Compact(paths))
}

func (c *call) sendPaths(paths []string) {
	c.send(http.StatusOK, map[string]any{"data": paths, "next": nil})
}

// spell names the stars of a path after the segment before them.
func spell(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if part != "*" {
			continue
		}
		parts[i] = "{name}"
		if schema := entity.LookupPath(parts[i-1]); schema != nil && parts[0] != "schemas" {
			parts[i] = "{" + schema.Name + "}"
		}
	}
	return strings.Join(parts, "/")
}
