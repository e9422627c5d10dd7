// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"fmt"
	"strings"
)

// reserved are the characters that mean something else when they are escaped
// (RFC 3986, section 2.2, and the percent sign).
const reserved = "!*'();:@&=+$,/?%#[]"

// NormalizePath returns the form of a path in which stored and requested paths
// are compared: percent-encoded characters decoded unless they are reserved,
// other escapes in upper case, dot segments removed and repeated slashes merged
// (Kong 3.9). [EscapePath] makes it fit for a request again.
func NormalizePath(path string) string {
	return removeDotSegments(decodePath(path))
}

// EscapePath escapes what may not stand in a request line. Escapes that are
// there already stay.
func EscapePath(path string) string {
	const allowed = "!#$&'()*+,/:;=?@[]-_.~%"
	var out strings.Builder
	for i := 0; i < len(path); i++ {
		if c := path[i]; isAlphanumeric(c) || strings.IndexByte(allowed, c) >= 0 {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}

func decodePath(path string) string {
	if !strings.Contains(path, "%") {
		return path
	}
	var out strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' || i+2 >= len(path) {
			out.WriteByte(path[i])
			continue
		}
		high, low := unhex(path[i+1]), unhex(path[i+2])
		if high < 0 || low < 0 {
			out.WriteByte('%')
			continue
		}
		if c := byte(high<<4 | low); strings.IndexByte(reserved, c) >= 0 {
			out.WriteString(strings.ToUpper(path[i : i+3]))
		} else {
			out.WriteByte(c)
		}
		i += 2
	}
	return out.String()
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func removeDotSegments(path string) string {
	if !strings.Contains(path, "//") && !strings.Contains(path, "/.") {
		return path
	}
	segments := strings.Split(path, "/")
	kept := make([]string, 0, len(segments))
	for i, segment := range segments {
		last := i == len(segments)-1
		switch segment {
		case "", ".":
			if last {
				kept = append(kept, "")
			}
		case "..":
			kept = kept[:max(0, len(kept)-1)]
			if last {
				kept = append(kept, "")
			}
		default:
			kept = append(kept, segment)
		}
	}
	return "/" + strings.Join(kept, "/")
}
