// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf

import (
	"fmt"
	"regexp"
	"strings"
)

// unknown is the error for a name that no parameter has.
func unknown(name, origin string) error {
	if nearest := nearest(name); nearest != "" {
		return fmt.Errorf("unknown parameter %s (%s); did you mean %s?", short(name), origin, nearest)
	}
	return fmt.Errorf("unknown parameter %s (%s); correct its name or remove it", short(name), origin)
}

// nearest is the parameter whose name is at most a third away, or nothing.
func nearest(name string) string {
	best, least := "", len(name)/3+1
	if len(name) > 100 {
		return ""
	}
	for i := range table() {
		if d := distance(name, table()[i].name); d < least {
			best, least = table()[i].name, d
		}
	}
	return best
}

// distance is the number of bytes to insert, delete or replace (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// serviceLink is a variable that Kubernetes or Docker gives to a container for a
// service that is called kong-something: kong-proxy makes KONG_PROXY_PORT,
// KONG_PROXY_SERVICE_HOST and their like.
var serviceLink = regexp.MustCompile(`_service_(host|port(_[a-z0-9_]+)?)$|_port_[0-9]+_(tcp|udp)(_(addr|port|proto))?$`)

func isServiceLink(name, value string) bool {
	// Without "something", the service kong makes KONG_PORT.
	name = "_" + name
	return serviceLink.MatchString(name) ||
		strings.HasSuffix(name, "_port") && (strings.HasPrefix(value, "tcp://") || strings.HasPrefix(value, "udp://"))
}
