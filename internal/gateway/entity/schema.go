// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

const maxInt32 = 1<<31 - 1

// Services is the schema of Kong 3.9 services.
var Services = &Schema{
	Name: "services",
	Fields: []Field{
		{Name: "id", Kind: Text, Check: checkUUID},
		{Name: "created_at", Kind: Integer},
		{Name: "updated_at", Kind: Integer},
		{Name: "name", Kind: Text, Check: checkName},
		{Name: "retries", Kind: Integer, Default: 5.0, Min: 0, Max: 32767},
		{Name: "protocol", Kind: Text, Required: true, Default: "http",
			OneOf: []any{"grpc", "grpcs", "http", "https", "tcp", "tls", "tls_passthrough", "udp"}, Check: checkServiceProtocol},
		{Name: "host", Kind: Text, Required: true, Check: checkHost},
		{Name: "port", Kind: Integer, Required: true, Default: 80.0, Min: 0, Max: 65535},
		{Name: "path", Kind: Text, Check: checkPath},
		{Name: "connect_timeout", Kind: Integer, Default: 60000.0, Min: 1, Max: maxInt32 - 1},
		{Name: "write_timeout", Kind: Integer, Default: 60000.0, Min: 1, Max: maxInt32 - 1},
		{Name: "read_timeout", Kind: Integer, Default: 60000.0, Min: 1, Max: maxInt32 - 1},
		{Name: "tags", Kind: Set, Element: &Field{Kind: Text, Check: checkTag}},
		{Name: "client_certificate", Kind: Foreign, Reference: "certificates", Check: refuse("client_certificate")},
		{Name: "tls_verify", Kind: Boolean},
		{Name: "tls_verify_depth", Kind: Integer, Min: 0, Max: 64},
		{Name: "ca_certificates", Kind: Array, Element: &Field{Kind: Text, Check: checkUUID}, Check: refuse("ca_certificates")},
		{Name: "enabled", Kind: Boolean, Required: true, Default: true},
	},
	Check: checkService,
}

// Routes is the schema of Kong 3.9 routes. Matchers that the router here does
// not know yet are refused rather than ignored: a route without one of its
// conditions would match too much.
var Routes = &Schema{
	Name: "routes",
	Fields: []Field{
		{Name: "id", Kind: Text, Check: checkUUID},
		{Name: "created_at", Kind: Integer},
		{Name: "updated_at", Kind: Integer},
		{Name: "name", Kind: Text, Check: checkName},
		{Name: "protocols", Kind: Set, Required: true, Default: []any{"http", "https"},
			Element: &Field{Kind: Text, OneOf: []any{"http", "https"}}, Check: checkNotEmpty},
		{Name: "https_redirect_status_code", Kind: Integer, Required: true, Default: 426.0,
			OneOf: []any{426.0, 301.0, 302.0, 307.0, 308.0}},
		{Name: "strip_path", Kind: Boolean, Required: true, Default: true},
		{Name: "preserve_host", Kind: Boolean, Required: true, Default: false},
		{Name: "request_buffering", Kind: Boolean, Required: true, Default: true},
		{Name: "response_buffering", Kind: Boolean, Required: true, Default: true},
		{Name: "tags", Kind: Set, Element: &Field{Kind: Text, Check: checkTag}},
		{Name: "service", Kind: Foreign, Reference: "services"},
		{Name: "snis", Kind: Set, Element: &Field{Kind: Text}, Check: refuse("matching by SNI")},
		{Name: "sources", Kind: Set, Element: &Field{Kind: Object}, Check: refuse("matching by source")},
		{Name: "destinations", Kind: Set, Element: &Field{Kind: Object}, Check: refuse("matching by destination")},
		{Name: "methods", Kind: Set, Element: &Field{Kind: Text, Check: checkMethod}},
		{Name: "hosts", Kind: Array, Element: &Field{Kind: Text, Check: checkRouteHost}},
		{Name: "paths", Kind: Array, Element: &Field{Kind: Text, Check: checkRoutePath}},
		{Name: "headers", Kind: Map, Element: &Field{Kind: Array, Element: &Field{Kind: Text}}, Check: refuse("matching by header")},
		{Name: "regex_priority", Kind: Integer, Default: 0.0},
		{Name: "path_handling", Kind: Text, Default: "v0", OneOf: []any{"v0", "v1"}},
	},
	Check: checkRoute,
}

// refuse is the check of a field that is known but not yet served.
func refuse(what string) func(any) string {
	return func(value any) string {
		if isEmpty(value) {
			return ""
		}
		return what + " is not supported yet by this gateway"
	}
}

func isEmpty(value any) bool {
	switch value := value.(type) {
	case []any:
		return len(value) == 0
	case map[string]any:
		return len(value) == 0
	}
	return value == nil
}

func checkService(record Record) []string {
	if record.Text("protocol") == "https" {
		return nil
	}
	var wrong []string
	for _, field := range []string{"tls_verify", "tls_verify_depth"} {
		if record[field] != nil {
			wrong = append(wrong, field+" can be set only when 'protocol' is 'https'")
		}
	}
	return wrong
}

func checkRoute(record Record) []string {
	for _, field := range []string{"methods", "hosts", "headers", "paths", "snis"} {
		if !isEmpty(record[field]) {
			return nil
		}
	}
	for _, protocol := range record.Texts("protocols") {
		if protocol == "https" {
			return []string{"must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'https'"}
		}
	}
	return []string{"must set one of 'methods', 'hosts', 'headers', 'paths' when 'protocols' is 'http'"}
}

func checkUUID(value any) string {
	text := value.(string)
	if len(text) != 36 || uuid.Validate(text) != nil {
		return "expected a valid UUID"
	}
	return ""
}

func checkName(value any) string {
	text := value.(string)
	if text == "" {
		return "length must be at least 1"
	}
	if !utf8.ValidString(text) {
		return "invalid value: must be UTF-8"
	}
	for _, r := range text {
		if r < utf8.RuneSelf && !isNameByte(r) {
			return fmt.Sprintf("invalid value '%s': the only accepted ascii characters are alphanumerics or ., -, _, and ~", text)
		}
	}
	return ""
}

func isNameByte(r rune) bool {
	return isAlphanumeric(r) || strings.ContainsRune(".-_~", r)
}

func isAlphanumeric(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

func checkTag(value any) string {
	text := value.(string)
	if text == "" {
		return "length must be at least 1"
	}
	if strings.ContainsAny(text, ",/") {
		return fmt.Sprintf("invalid tag '%s': expected printable ascii (except `,` and `/`) or valid utf-8 sequences", text)
	}
	return ""
}

func checkServiceProtocol(value any) string {
	if value != "http" && value != "https" {
		return fmt.Sprintf("protocol %s is not supported yet by this gateway", value)
	}
	return ""
}

var hostPattern = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?$`)

func checkHost(value any) string {
	text := value.(string)
	if text == "" {
		return "length must be at least 1"
	}
	if strings.Contains(text, ":") {
		if _, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
			return ""
		}
	}
	if !hostPattern.MatchString(text) {
		return "invalid value: " + text
	}
	return ""
}

func checkRouteHost(value any) string {
	if strings.Contains(value.(string), "*") {
		return "wildcard hosts are not supported yet by this gateway"
	}
	if _, port, ok := strings.Cut(value.(string), ":"); ok && !strings.Contains(port, ":") {
		return "hosts with a port are not supported yet by this gateway"
	}
	return checkHost(value)
}

var methodPattern = regexp.MustCompile(`^[A-Z]+$`)

func checkMethod(value any) string {
	if !methodPattern.MatchString(value.(string)) {
		return "invalid value: " + value.(string)
	}
	return ""
}

var (
	pathPattern    = regexp.MustCompile(`^/[A-Za-z0-9\-._~!$&'()*+,;=:@/%]*$`)
	percentPattern = regexp.MustCompile(`%([^0-9a-fA-F]|.[^0-9a-fA-F]|.?$)`)
)

func checkPath(value any) string {
	text := value.(string)
	switch {
	case !strings.HasPrefix(text, "/"):
		return "should start with: /"
	case strings.Contains(text, "//"):
		return "must not have empty segments"
	case !pathPattern.MatchString(text):
		return fmt.Sprintf("invalid path: '%s' (characters outside of the reserved list of RFC 3986 found)", text)
	case percentPattern.MatchString(text):
		return fmt.Sprintf("invalid url-encoded value: '%s'", text)
	}
	return ""
}

func checkRoutePath(value any) string {
	text := value.(string)
	if strings.HasPrefix(text, "~") {
		return "regex paths are not supported yet by this gateway"
	}
	if !strings.HasPrefix(text, "/") {
		return "should start with: / (fixed path) or ~/ (regex path)"
	}
	if strings.Contains(text, "//") {
		return "must not have empty segments"
	}
	if percentPattern.MatchString(text) {
		return fmt.Sprintf("invalid url-encoded value: '%s'", text)
	}
	if normal := NormalizePath(text); normal != text {
		return fmt.Sprintf("non-normalized path, consider use '%s' instead", normal)
	}
	return ""
}

func checkNotEmpty(value any) string {
	if isEmpty(value) {
		return "length must be at least 1"
	}
	return ""
}
