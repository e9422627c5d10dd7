// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package router

import (
	"strconv"
	"strings"
)

// host is one pattern of a route's hosts or snis.
type host struct {
	name string // without the star
	kind hostKind
	port int // 0: any
}

type hostKind uint8

const (
	exactHost  hostKind = iota // "a.b"
	suffixHost                 // "*.a.b", name is ".a.b"
	prefixHost                 // "a.*", name is "a."
)

func isWild(pattern string) bool { return strings.Contains(pattern, "*") }

// parseHost reads a pattern. Text after a colon that is no port belongs to the
// name, which is how IPv6 addresses stay whole.
func parseHost(pattern string) host {
	name, port := splitPort(pattern)
	if rest, ok := strings.CutPrefix(name, "*"); ok {
		return host{rest, suffixHost, port}
	}
	if rest, ok := strings.CutSuffix(name, "*"); ok {
		return host{rest, prefixHost, port}
	}
	return host{name, exactHost, port}
}

// matchName compares as written: Kong 3.9 does not fold the case of hosts.
func (h *host) matchName(name string) bool {
	switch h.kind {
	case suffixHost:
		return strings.HasSuffix(name, h.name)
	case prefixHost:
		return strings.HasPrefix(name, h.name)
	}
	return name == h.name
}

// splitPort splits "a.b:80"; the port is 0 if there is none. "a.b:80." has one
// too: Kong 3.9 reads the port as a number, and that one ends in a dot.
func splitPort(text string) (name string, port int) {
	name, digits, found := strings.Cut(text, ":")
	if !found {
		return text, 0
	}
	number, err := strconv.ParseUint(strings.TrimSuffix(digits, "."), 10, 16)
	if err != nil || number == 0 {
		return text, 0
	}
	return name, int(number)
}
