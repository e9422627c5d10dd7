// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"blackout/internal/gateway/entity"
)

const (
	serviceID = "00000001-0000-4000-8000-000000000001"
	routeID   = "0000000b-0000-4000-8000-00000000000b"
)

func TestCompleteFillsDefaults(t *testing.T) {
	t.Parallel()
	got, err := entity.Services.Complete(entity.Record{"host": "h"})
	if err != nil {
		t.Fatal(err)
	}
	want := entity.Record{
		"id": nil, "created_at": nil, "updated_at": nil, "name": nil, "retries": 5.0, "protocol": "http",
		"host": "h", "port": 80.0, "path": nil, "connect_timeout": 60000.0, "write_timeout": 60000.0,
		"read_timeout": 60000.0, "tags": nil, "client_certificate": nil, "tls_verify": nil,
		"tls_verify_depth": nil, "ca_certificates": nil, "enabled": true,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestViolations(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		schema  *entity.Schema
		input   string
		message string
		fields  string
	}{
		{"missing host", entity.Services, `{"name":"x"}`,
			"schema violation (host: required field missing)", `{"host":"required field missing"}`},
		{"unknown field", entity.Services, `{"host":"h","nope":1}`,
			"schema violation (nope: unknown field)", `{"nope":"unknown field"}`},
		{"two", entity.Services, `{"port":70000,"retries":"x","host":"h"}`,
			"2 schema violations (port: value should be between 0 and 65535; retries: expected an integer)",
			`{"port":"value should be between 0 and 65535","retries":"expected an integer"}`},
		{"one of", entity.Services, `{"host":"h","protocol":"ftp"}`,
			"schema violation (protocol: expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp)", ""},
		{"service path", entity.Services, `{"host":"h","path":"/b a"}`,
			"schema violation (path: invalid path: '/b a' (characters outside of the reserved list of RFC 3986 found))", ""},
		{"route path", entity.Routes, `{"paths":["a"]}`,
			"schema violation (paths.1: should start with: / (fixed path) or ~/ (regex path))",
			`{"paths":["should start with: / (fixed path) or ~/ (regex path)"]}`},
		{"second route path", entity.Routes, `{"paths":["/a","~/b("]}`,
			"schema violation (paths.2: invalid regex: '/b(' (PCRE returned: missing closing ): `/b(`))", ""},
		{"no matcher", entity.Routes, `{"name":"r"}`,
			"schema violation (must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'https')", ""},
		{"bare reference", entity.Routes, `{"paths":["/"],"service":"` + serviceID + `"}`,
			"schema violation (service.id: missing primary key)", `{"service":{"id":"missing primary key"}}`},
		{"redirect code", entity.Routes, `{"paths":["/"],"https_redirect_status_code":303}`,
			"schema violation (https_redirect_status_code: expected one of: 426, 301, 302, 307, 308)", ""},
		{"host as a header", entity.Routes, `{"headers":{"Host":["1"]}}`,
			"schema violation (headers: cannot contain 'host' header, which must be specified in the 'hosts' attribute)", ""},
		{"name", entity.Routes, `{"paths":["/"],"name":"b ad"}`,
			"schema violation (name: invalid value 'b ad': the only accepted ascii characters are alphanumerics or ., -, _, and ~)", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := c.schema.Complete(decode(t, c.input).(map[string]any))
			var refusal *entity.Error
			if !errors.As(err, &refusal) {
				t.Fatalf("got %v, want a refusal", err)
			}
			if refusal.Message != c.message {
				t.Errorf("got  %s\nwant %s", refusal.Message, c.message)
			}
			if c.fields != "" && !reflect.DeepEqual(any(refusal.Fields), decode(t, c.fields)) {
				t.Errorf("got fields %v, want %s", refusal.Fields, c.fields)
			}
		})
	}
}

func table(sections string) string {
	return `{"_format_version":"3.0","_transform":false,` + sections + `}`
}

const (
	oneService = `"services":[{"id":"` + serviceID + `","name":"s","host":"h"}]`
	oneRoute   = `"routes":[{"id":"` + routeID + `","paths":["/"],"service":"` + serviceID + `"}]`
)

func TestParseTableAcceptsAndKeepsTheUnknown(t *testing.T) {
	t.Parallel()
	raw := table(`"licenses":[{"payload":"x"}],"services":[{"id":"` + serviceID + `","host":"h","ws_id":"w","tls_sans":null}],` + oneRoute)
	parsed, err := entity.ParseTable([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	if parsed.Services[0].Integer("port") != 80 || parsed.Routes[0].Reference("service") != serviceID {
		t.Errorf("records are not complete: %v %v", parsed.Services, parsed.Routes)
	}
	if len(parsed.Rows("licenses")) != 1 || parsed.Rows("services")[0].Text("ws_id") != "w" {
		t.Errorf("unknown rows or fields were lost: %v", parsed.All)
	}
	if len(parsed.Warnings) != 0 {
		t.Errorf("a null and a workspace are no reason to warn: %q", parsed.Warnings)
	}
	if string(parsed.Raw) != raw {
		t.Error("the raw text was changed")
	}
}

func TestParseTableWarnsOfUnknownFields(t *testing.T) {
	t.Parallel()
	row := func(n string) string {
		return `{"id":"0000000` + n + `-0000-4000-8000-000000000001","host":"h","updated_at":1.5,"nope":` + n + `}`
	}
	parsed, err := entity.ParseTable([]byte(table(`"services":[` + row("1") + "," + row("2") + `]`)))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"services.1: nope: unknown field, ignored"}; !reflect.DeepEqual(parsed.Warnings, want) {
		t.Errorf("got warnings %q, want %q", parsed.Warnings, want)
	}
}

func TestParseTableRefuses(t *testing.T) {
	t.Parallel()
	twice := func(row string) string { return `[` + row + `,` + row + `]` }
	named := func(n int) string {
		return `{"id":"0000000` + string(rune('0'+n)) + `-0000-4000-8000-000000000001","name":"same","host":"h"}`
	}
	cases := map[string]struct{ raw, want string }{
		"truncated":         {table(oneService)[:60], "unexpected EOF"},
		"trailing data":     {table(oneService) + "{}", "data after the end of the object"},
		"a member twice":    {table(`"services":[{"id":"` + serviceID + `","host":"h","host":"i"}]`), "the member \"host\" is there twice"},
		"no UTF-8":          {table("\"services\":[{\"host\":\"\xff\"}]"), "invalid UTF-8"},
		"a huge number":     {table(`"services":[{"port":1e999}]`), "too large"},
		"nothing":           {"", "EOF"},
		"no JSON":           {"x", "invalid character"},
		"deep":              {strings.Repeat(`{"a":[`, 20_000), "exceeded max depth"},
		"an array":          {"[]", "expected an object"},
		"null":              {"null", "expected an object"},
		"empty object":      {"{}", "no entities"},
		"no rows":           {table(`"services":[]`), "no entities"},
		"workspaces only":   {table(`"workspaces":[{"name":"default"}]`), "no entities"},
		"other version":     {`{"_format_version":"2.1",` + oneService + `}`, "_format_version is 2.1"},
		"no version":        {`{` + oneService + `}`, "_format_version is <nil>"},
		"missing service":   {table(oneRoute), "routes.1: service: invalid reference 'services: " + serviceID + "' (no such entity)"},
		"duplicate id":      {table(`"services":` + twice(`{"id":"`+serviceID+`","host":"h"}`)), "primary key set to '" + serviceID + "' already declared"},
		"duplicate name":    {table(`"services":[` + named(1) + `,` + named(2) + `]`), "services.2: uniqueness violation: 'services' entity with name set to 'same' already declared"},
		"bad id":            {table(`"services":[{"id":"x","host":"h"}]`), "services.1: schema violation (id: expected a valid UUID)"},
		"bad field":         {table(`"services":[{"id":"` + serviceID + `","host":5}]`), "host: expected a string"},
		"narrowed plugin":   {table(`"plugins":[{"id":"` + serviceID + `","name":"cors","consumer_group":"` + routeID + `"}]`), "plugins.1: consumer_group: is not known"},
		"section no list":   {table(`"services":{"a":1}`), "services: expected an array"},
		"row not an object": {table(`"services":[1]`), "services.1: expected a record"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := entity.ParseTable([]byte(c.raw))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.ContainsAny(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, c.want)
			}
		})
	}
}

// TestBrokenStringsAreNotQuoted: a key or a password may be in them.
func TestBrokenStringsAreNotQuoted(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{`\ud800s3cr`, `\us3cr`, `\ud800\us3cr`, `\ud800\n s3cr`, "s3cr\xff", "s3cr\x01", `s3cr`} {
		_, err := entity.ParseTable([]byte(table(`"keyauth_credentials":[{"key":"` + secret)))
		if err == nil || strings.Contains(err.Error(), "s3") {
			t.Errorf("%q: %v", secret, err)
		}
	}
}

func TestNewTable(t *testing.T) {
	t.Parallel()
	reference := map[string]any{"id": serviceID}
	got := entity.NewTable(map[string][]entity.Record{
		"services":   {{"id": serviceID, "enabled": true}, {"id": "off", "enabled": false}},
		"routes":     {{"id": routeID, "service": reference}, {"id": "r2", "service": map[string]any{"id": "off"}}},
		"parameters": {},
	})
	want := map[string]any{
		"_format_version": "3.0", "_transform": false,
		"services": []any{map[string]any{"id": serviceID, "enabled": true}},
		"routes":   []any{map[string]any{"id": routeID, "service": serviceID}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestNormalizePath(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"/": "/", "/a/b/": "/a/b/", "//a///b": "/a/b", "/a/./b/../c": "/a/c", "/..": "/", "/a/..": "/",
		"/%61%2f%2F": "/a%2F%2F", "/a%zz": "/a%zz", "/a/.": "/a/", "/../../x": "/x", "/.hidden": "/.hidden", "/%": "/%",
		"/a%20b": "/a b", "/%c3%a9": "/é", "/%2e%2e/x": "/x",
	}
	for path, want := range cases {
		if got := entity.NormalizePath(path); got != want {
			t.Errorf("normalize %s: got %s, want %s", path, got, want)
		}
	}
}

func FuzzParseTable(f *testing.F) {
	f.Add([]byte(table(oneService + "," + oneRoute)))
	f.Add([]byte(`{"_format_version":"3.0","routes":[{"service":{"id":1},"paths":{}}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		parsed, err := entity.ParseTable(raw)
		if err != nil {
			return
		}
		text, err := json.Marshal(parsed.All)
		if err != nil {
			t.Fatalf("an accepted table cannot be encoded: %v", err)
		}
		again, err := entity.ParseTable(text)
		if err != nil {
			t.Fatalf("an accepted table is refused after encoding: %v", err)
		}
		if entity.Hash(parsed.All) != entity.Hash(again.All) {
			t.Fatal("encoding changed the hash")
		}
	})
}

func FuzzNormalizePath(f *testing.F) {
	f.Add("/a/%2e%2e/b")
	f.Add("//%41%")
	f.Fuzz(func(t *testing.T, path string) {
		once := entity.NormalizePath(path)
		if strings.HasPrefix(path, "/") && !strings.HasPrefix(once, "/") {
			t.Fatalf("normalize %q lost the leading slash: %q", path, once)
		}
		if escaped := entity.EscapePath(once); strings.ContainsAny(escaped, " \r\n\x00") {
			t.Fatalf("escape %q is not fit for a request: %q", once, escaped)
		}
	})
}
