// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// address is what a text that names a host turns out to be.
type address struct {
	host    string
	port    int // -1 if there is none
	isIP    bool
	badPort bool
}

// parseAddress takes a host name, an IPv4 or an IPv6 address, each with or
// without a port, apart.
func parseAddress(text string) (address, bool) {
	found := address{host: text, port: -1}
	if strings.HasPrefix(text, "[") || strings.Count(text, ":") > 1 {
		return parseIPv6(text)
	}
	host, port, hasPort := strings.Cut(text, ":")
	if hasPort {
		number, err := strconv.Atoi(port)
		if err != nil || port == "" || !isDigit(port[0]) {
			return found, false
		}
		found.host, found.port, found.badPort = host, number, number > 65535
	}
	if looksLikeIPv4(found.host) {
		_, err := netip.ParseAddr(found.host)
		found.isIP = err == nil
		return found, found.isIP
	}
	return found, isHostname(found.host)
}

// looksLikeIPv4 reports whether the host has digits and dots alone: it is no
// name then.
func looksLikeIPv4(host string) bool {
	dots := 0
	for i := range len(host) {
		switch {
		case host[i] == '.':
			dots++
		case !isDigit(host[i]):
			return false
		}
	}
	return dots == 3
}

func parseIPv6(text string) (address, bool) {
	found := address{port: -1, isIP: true}
	inner, isBracketed := strings.CutPrefix(text, "[")
	if isBracketed {
		host, rest, closed := strings.Cut(inner, "]")
		if !closed {
			return found, false
		}
		inner = host
		if rest != "" {
			number, err := strconv.Atoi(strings.TrimPrefix(rest, ":"))
			if err != nil || rest[0] != ':' || number < 0 {
				return found, false
			}
			found.port, found.badPort = number, number > 65535
		}
	}
	parsed, err := netip.ParseAddr(inner)
	if err != nil || !parsed.Is6() || parsed.Zone() != "" {
		return found, false
	}
	found.host = parsed.StringExpanded()
	return found, true
}

// isHostname reports whether the text is a name: labels of alphanumerics,
// hyphens and underscores, none of which is empty or ends with a hyphen.
func isHostname(name string) bool {
	if !consistsOf(name, "-_.") {
		return false
	}
	for i := range len(name) {
		if name[i] == '.' && (i == 0 || name[i-1] == '.' || name[i-1] == '-') {
			return false
		}
	}
	last := name[len(name)-1]
	return last != '-'
}

func checkHost(value any) string {
	text := value.(string)
	found, ok := parseAddress(text)
	if found.port >= 0 && (ok || found.badPort) {
		return "must not have a port"
	}
	return messageIf(!ok, "invalid value: "+text)
}

func checkHostWithPort(value any) string {
	text := value.(string)
	found, ok := parseAddress(text)
	return messageIf(!ok || found.badPort, "invalid value: "+text)
}

// checkRouteHost takes one wildcard, as the whole first or last label.
func checkRouteHost(value any) string {
	text := value.(string)
	if !strings.Contains(text, "*") {
		return checkHostWithPort(text)
	}
	var name string
	switch {
	case strings.HasPrefix(text, "*."):
		name = "w" + text[1:]
	case strings.HasSuffix(text, ".*"):
		name = text[:len(text)-1] + "w"
	default:
		return "invalid wildcard: must be placed at leftmost or rightmost label"
	}
	if strings.Contains(name, "*") {
		return "invalid wildcard: must have at most one wildcard"
	}
	return messageIf(checkHostWithPort(name) != "", "invalid value: "+text)
}

func checkSNI(value any) string {
	text := value.(string)
	found, ok := parseAddress(text)
	switch {
	case !ok:
		return "invalid value: " + text
	case found.isIP:
		return "must not be an IP"
	case found.port >= 0:
		return "must not have a port"
	}
	return ""
}

// checkRouteSNI is checkSNI with a wildcard as the first or last label.
func checkRouteSNI(value any) string {
	text := value.(string)
	if !strings.Contains(text, "*") {
		return checkSNI(text)
	}
	if message := checkRouteHost(text); message != "" {
		return message
	}
	return messageIf(strings.Contains(text, ":"), "must not have a port")
}

func checkUpstreamName(value any) string {
	text := value.(string)
	found, ok := parseAddress(text)
	reason := ""
	switch {
	case !ok:
		reason = "must be a valid hostname"
	case found.isIP:
		reason = "no ip addresses allowed"
	case found.port >= 0:
		reason = "no port allowed"
	default:
		return ""
	}
	return fmt.Sprintf("Invalid name ('%s'); %s", text, reason)
}

func checkTarget(value any) string {
	text := value.(string)
	found, ok := parseAddress(text)
	if !ok || found.badPort {
		return fmt.Sprintf("Invalid target ('%s'); not a valid hostname or ip address", text)
	}
	return ""
}

// NormalizeTarget returns the form in which a target is stored: with its port,
// 8000 if none is given, and IPv6 addresses written out (Kong 3.9).
func NormalizeTarget(target string) string {
	found, ok := parseAddress(target)
	if !ok {
		return target
	}
	host, port := found.host, found.port
	if found.isIP && strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port < 0 {
		port = 8000
	}
	return host + ":" + strconv.Itoa(port)
}

func checkIPOrCIDR(value any) string {
	text := value.(string)
	host, bits, hasBits := strings.Cut(text, "/")
	ip, err := netip.ParseAddr(host)
	ok := err == nil && ip.Zone() == ""
	if hasBits {
		number, err := strconv.Atoi(bits)
		ok = ok && err == nil && number >= 0 && number <= ip.BitLen()
	}
	return messageIf(!ok, "invalid ip or cidr range: '"+text+"'")
}
