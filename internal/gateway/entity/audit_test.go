// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"blackout/internal/gateway/entity"
)

// wrongTable has something wrong in many places.
const wrongTable = `{"_format_version":"3.0","_transform":false,
"services":[
 {"id":"00000001-0000-4000-8000-000000000001","name":"good","host":"a.example"},
 {"id":"00000002-0000-4000-8000-000000000002","name":"bad","host":"b.example","port":70000,"path":"no-slash"},
 7],
"routes":[
 {"id":"0000000b-0000-4000-8000-00000000000b","name":"r1","service":"00000009-0000-4000-8000-000000000009","paths":["/a"]},
 {"id":"0000000b-0000-4000-8000-00000000000b","name":"r1","service":"00000001-0000-4000-8000-000000000001","paths":["b"],"colour":"red"}],
"plugins":[
 {"id":"0000001b-0000-4000-8000-00000000000b","name":"key-auth","consumer_group":"gold"},
 {"id":"0000001c-0000-4000-8000-00000000000b","name":"rate-limiting","config":{"policy":"redis","redis":{"port":-1}}}],
"consumers":[{"id":"0000002b-0000-4000-8000-00000000000b","username":"alice"}],
"keyauth_credentials":[
 {"id":"0000003b-0000-4000-8000-00000000000b","consumer":"0000002b-0000-4000-8000-00000000000b","key":"top-secret"},
 {"id":"0000003c-0000-4000-8000-00000000000b","consumer":"0000002b-0000-4000-8000-00000000000b","key":"top-secret"}],
"upstreams":{},
"aliens":[{"id":"x"}]}`

func show(findings []entity.Finding) string {
	lines := make([]string, len(findings))
	for i, f := range findings {
		lines[i] = fmt.Sprintf("%s.%d %s %s: %s", f.Section, f.Row, f.Name, f.Field, f.Reason)
	}
	return strings.Join(lines, "\n")
}

// TestAuditNamesEveryProblem, and not only the first one.
func TestAuditNamesEveryProblem(t *testing.T) {
	t.Parallel()
	audit := entity.AuditTable([]byte(wrongTable))
	problems := show(audit.Problems)
	for _, want := range []string{
		"services.3  : expected a record", "services.2 bad port: value should be between 0 and 65535", "services.2 bad path: ",
		"upstreams.0  : expected an array",
		"routes.1 r1 service: invalid reference 'services: 00000009-0000-4000-8000-000000000009' (no such entity)",
		"routes.2 r1 : uniqueness violation: 'routes' entity with primary key", "routes.2 r1 : uniqueness violation: 'routes' entity with name set to 'r1'",
		"routes.2 r1 paths.1: ", "plugins.1 key-auth consumer_group: is not known", "plugins.2 rate-limiting config.redis.port: ",
		"keyauth_credentials.2  : uniqueness violation: 'keyauth_credentials' entity with key already declared",
	} {
		if !strings.Contains(problems, want) {
			t.Errorf("found\n%s\nwithout %q", problems, want)
		}
	}
	if strings.Contains(problems, "top-secret") {
		t.Errorf("a secret is named:\n%s", problems)
	}
	if warnings := show(audit.Warnings); !strings.Contains(warnings, "routes.2 r1 colour: unknown field, ignored") {
		t.Errorf("warned of\n%s", warnings)
	}
}

// TestAuditRefusesWhatIsRefused: AuditTable has problems where ParseTable has an
// error, and only there.
func TestAuditRefusesWhatIsRefused(t *testing.T) {
	t.Parallel()
	for name, text := range auditedTables(t) {
		_, err := entity.ParseTable(slices.Clone(text))
		audit := entity.AuditTable(text)
		if (err == nil) != (len(audit.Problems) == 0) {
			t.Errorf("%s: ParseTable says %v, AuditTable says\n%s", name, err, show(audit.Problems))
		}
	}
}

func FuzzAudit(f *testing.F) {
	for _, text := range auditedTables(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		_, err := entity.ParseTable(slices.Clone(text))
		audit := entity.AuditTable(text)
		if (err == nil) != (len(audit.Problems) == 0) {
			t.Errorf("ParseTable says %v, AuditTable says\n%s", err, show(audit.Problems))
		}
	})
}

// auditedTables are texts of which some are tables.
func auditedTables(t testing.TB) map[string][]byte {
	t.Helper()
	tables := map[string][]byte{
		"wrong": []byte(wrongTable), "nothing": nil, "no object": []byte("[]"), "empty object": []byte("{}"), "torn": []byte(`{"_format_version":"3.0"`),
		"another version":  []byte(`{"_format_version":"2.1","services":[]}`),
		"nothing in it":    []byte(`{"_format_version":"3.0","services":[]}`),
		"workspaces alone": []byte(`{"_format_version":"3.0","workspaces":[{"name":"default"}]}`),
		"parameters alone": []byte(`{"_format_version":"3.0","parameters":[{"key":"cluster_id","value":"x"}]}`),
		"unknown alone":    []byte(`{"_format_version":"3.0","aliens":[{"id":"x"}]}`),
		"a dangling acl":   []byte(`{"_format_version":"3.0","acls":[{"id":"x","group":"g","consumer":"nobody"}]}`),
		"one service":      []byte(`{"_format_version":"3.0","services":[{"name":"a","host":"a.example"}]}`),
		"by name": []byte(`{"_format_version":"3.0","services":[{"name":"a","host":"a.example"}],
			"routes":[{"paths":["/a"],"service":"a"}]}`),
	}
	recorded, err := filepath.Glob(filepath.Join("..", "..", "..", "fixtures", "conformance", "wire", "*", "*reconfigure*.json"))
	if err != nil || len(recorded) == 0 {
		t.Fatalf("no recorded configurations: %v", err)
	}
	for _, path := range recorded {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var frame struct {
			Table json.RawMessage `json:"config_table"`
		}
		if err := json.Unmarshal(text, &frame); err != nil {
			t.Fatal(err)
		}
		tables[path] = frame.Table
	}
	return tables
}
