// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"encoding/hex"
	"strings"
)

// bareHost is the host that a request names as nginx keeps it: in lower case,
// without its port and a last dot.
func bareHost(host string) string {
	start := strings.IndexByte(host, ']') + 1 // a port follows an IPv6 address's bracket
	if end := strings.IndexByte(host[start:], ':'); end >= 0 {
		host = host[:start+end]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// unservable reports whether nginx answers a path with 400 that net/http lets
// pass: one that holds a zero byte, or that climbs above the root. nginx decodes
// the path for that, so that "%2e" is a dot and "%2F" ends a segment.
func unservable(path string) bool {
	if !strings.Contains(path, "..") && !strings.Contains(path, "%") {
		return false
	}
	depth, length, dots := 0, 0, 0 // of the path, of the last segment, its dots
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' && i+2 < len(path) {
			var decoded [1]byte
			if _, err := hex.Decode(decoded[:], []byte(path[i+1:i+3])); err != nil {
				return true
			}
			c = decoded[0]
			i += 2
		}
		switch c {
		case 0:
			return true
		case '/':
			if depth = descend(depth, length, dots); depth < 0 {
				return true
			}
			length, dots = 0, 0
			continue
		case '.':
			dots++
		}
		length++
	}
	return descend(depth, length, dots) < 0
}

// descend is the depth after a segment of that length, of which that many are
// dots.
func descend(depth, length, dots int) int {
	switch {
	case length == 0 || length == 1 && dots == 1:
		return depth
	case length == 2 && dots == 2:
		return depth - 1
	}
	return depth + 1
}
