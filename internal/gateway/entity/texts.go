// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"fmt"
	"regexp/syntax"
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
	}
	return ""
}
