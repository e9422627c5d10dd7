// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"fmt"
	"net/netip"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The checks below run for every field of every entity of a configuration:
// they look at bytes and allocate nothing unless something is wrong.

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isAlphanumeric(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// consistsOf reports whether text is not empty and every byte is alphanumeric
// or one of others.
func consistsOf(text, others string) bool {
	for i := range len(text) {
		if c := text[i]; !isAlphanumeric(c) && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return text != ""
}

func checkUUID(value any) string {
	if text := value.(string); !isUUID(text) {
		return "expected a valid UUID"
	}
	return ""
}

func isUUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i := range len(text) {
		switch i {
		case 8, 13, 18, 23:
			if text[i] != '-' {
				return false
			}
		default:
			if unhex(text[i]) < 0 {
				return false
			}
		}
	}
	return true
}

func checkTime(value any) string {
	return messageIf(value.(float64) <= 0, "expected a valid timestamp")
}

func checkName(value any) string {
	text := value.(string)
	for i := range len(text) {
		if c := text[i]; c < utf8.RuneSelf && !isAlphanumeric(c) && strings.IndexByte(".-_~", c) < 0 {
			return fmt.Sprintf("invalid value '%s': the only accepted ascii characters are alphanumerics or ., -, _, and ~", text)
		}
	}
	return messageIf(!utf8.ValidString(text), "invalid utf-8 character sequence")
}

func checkTag(value any) string {
	text := value.(string)
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == ',' || c == '/' || c == 0x7f {
			return fmt.Sprintf("invalid tag '%s': expected printable ascii (except `,` and `/`) or valid utf-8 sequences", text)
		}
	}
	return ""
}

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

// checkWildcardHost takes one wildcard, as the whole first or last label.
func checkRouteHost(value any) string {
	text := value.(string)
	if !strings.Contains(text, "*") {
		return checkHostWithPort(text)
	}
	name := text
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

func checkMethod(value any) string {
	text := value.(string)
	for i := range len(text) {
		if text[i] < 'A' || text[i] > 'Z' {
			return "invalid value: " + text
		}
	}
	return ""
}

func checkHeaderName(value any) string {
	text := value.(string)
	return messageIf(!consistsOf(text, "-_"), "bad header name '"+text+"', allowed characters are A-Z, a-z, 0-9, '_', and '-'")
}

func checkCookieName(value any) string {
	text := value.(string)
	return messageIf(!consistsOf(text, "-_"), "bad cookie name '"+text+"', allowed characters are A-Z, a-z, 0-9, '_', and '-'")
}

func checkRouteHeader(value any) string {
	if strings.EqualFold(value.(string), "host") {
		return "cannot contain 'host' header, which must be specified in the 'hosts' attribute"
	}
	return checkHeaderName(value)
}

func checkNoStripPath(value any) string {
	return messageIf(value == true, "cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'")
}

// pathOthers are the characters of a path beside alphanumerics (RFC 3986).
const pathOthers = "-._~!$&'()*+,;=:@/%"

func checkPath(value any) string {
	text := value.(string)
	switch {
	case text[0] != '/':
		return "should start with: /"
	case strings.Contains(text, "//"):
		return "must not have empty segments"
	case !consistsOf(text, pathOthers):
		return fmt.Sprintf("invalid path: '%s' (characters outside of the reserved list of RFC 3986 found)", text)
	}
	return checkPercent(text)
}

// checkPercent looks for percent signs that escape nothing.
func checkPercent(text string) string {
	for i := strings.IndexByte(text, '%'); i >= 0 && i < len(text); i++ {
		if text[i] != '%' {
			continue
		}
		if i+2 >= len(text) || unhex(text[i+1]) < 0 || unhex(text[i+2]) < 0 {
			return fmt.Sprintf("invalid url-encoded value: '%s'", text[i:min(i+3, len(text))])
		}
	}
	return ""
}

func checkRoutePath(value any) string {
	text := value.(string)
	if strings.Contains(text, "//") {
		return "must not have empty segments"
	}
	if pattern, isRegex := strings.CutPrefix(text, "~"); isRegex && strings.HasPrefix(pattern, "/") {
		return checkRegex(pattern)
	}
	if text[0] != '/' {
		return "should start with: / (fixed path) or ~/ (regex path)"
	}
	if message := checkPercent(text); message != "" {
		return message
	}
	if normal := NormalizePath(text); normal != text {
		return fmt.Sprintf("non-normalized path, consider use '%s' instead", normal)
	}
	return ""
}

// checkRegex parses the pattern by Go's syntax, which is close to that of Kong's
// router (both know neither look-around nor back references).
func checkRegex(pattern string) string {
	if _, err := syntax.Parse(pattern, syntax.Perl); err != nil {
		return fmt.Sprintf("invalid regex: '%s' (PCRE returned: %s)", pattern, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return ""
}

func checkVaultPrefix(value any) string {
	text := value.(string)
	last := text[len(text)-1]
	ok := len(text) > 1 && text[0] >= 'a' && text[0] <= 'z' && last != '-' && strings.ToLower(text) == text
	return messageIf(!ok || !consistsOf(text, "-"), "invalid value: "+text)
}

func checkEnvPrefix(value any) string {
	text := value.(string)
	return messageIf(!consistsOf(text, "_") || isDigit(text[0]), "invalid value: "+text)
}

// checkPair wants "name:value".
func checkPair(value any) string {
	text := value.(string)
	return messageIf(strings.IndexByte(text, ':') < 1, "invalid value: "+text)
}

// checkHeaderPair wants "name:value" with the name of a header.
func checkHeaderPair(value any) string {
	if message := checkPair(value); message != "" {
		return message
	}
	text := value.(string)
	name, _, _ := strings.Cut(text, ":")
	return messageIf(!consistsOf(strings.TrimSpace(name), "-_$()."), fmt.Sprintf("'%s' is not a valid header", name))
}

func checkPeriods(value any) string {
	config := Record(value.(map[string]any))
	for i, lower := range Periods {
		low, isSet := config[lower].(float64)
		if !isSet {
			continue
		}
		for _, upper := range Periods[i+1:] {
			if high, isSet := config[upper].(float64); isSet && high < low {
				return fmt.Sprintf("The limit for %s(%.1f) cannot be lower than the limit for %s(%.1f)", upper, high, lower, low)
			}
		}
	}
	return ""
}

func checkTermination(value any) string {
	config := Record(value.(map[string]any))
	message, contentType, body := config.Text("message") != "", config.Text("content_type") != "", config.Text("body") != ""
	switch {
	case message && (contentType || body):
		return "message cannot be used with content_type or body"
	case contentType && !body:
		return "content_type requires a body"
	case config.Flag("echo") && (contentType || body):
		return "echo cannot be used with content_type and body"
	case config["trigger"] != nil && !config.Flag("echo"):
		return "trigger can only be used with echo"
	}
	return ""
}
