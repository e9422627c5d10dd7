// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestJSONMatchesItsSchema checks that report.json has exactly the keys that
// the schema documents, at the top and below, and values of their types.
func TestJSONMatchesItsSchema(t *testing.T) {
	t.Parallel()
	matchSchema(t, "schema/report-v1.json", renderJSON)
}

// matchSchema checks what a renderer makes of every input against a schema's file.
func matchSchema(t *testing.T, file string, render func(Model) ([]byte, error)) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	for name, input := range inputs {
		content, err := render(Build(input()))
		if err != nil {
			t.Fatal(err)
		}
		var report any
		if err := json.Unmarshal(content, &report); err != nil {
			t.Fatal(err)
		}
		for _, problem := range (schema{root}).check(name, root, report) {
			t.Error(problem)
		}
	}
}

// TestSchemaCheckCanFail makes sure that the check above sees a difference.
func TestSchemaCheckCanFail(t *testing.T) {
	t.Parallel()
	rule := map[string]any{"type": "object", "additionalProperties": false, "required": []any{"a"},
		"properties": map[string]any{"a": map[string]any{"type": []any{"integer", "null"}}}}
	for text, want := range map[string]int{`{"a":1}`: 0, `{"a":null}`: 0, `{"a":"x"}`: 1, `{"b":1}`: 2, `[]`: 1} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if got := (schema{}).check("", rule, v); len(got) != want {
			t.Errorf("%s: %v, want %d problems", text, got, want)
		}
	}
}

// schema checks values against the part of JSON Schema that the report's
// schema uses.
type schema struct{ root map[string]any }

func (s schema) check(at string, rule map[string]any, v any) []string {
	if target, ok := rule["$ref"].(string); ok {
		name := strings.TrimPrefix(target, "#/$defs/")
		return s.check(at, s.root["$defs"].(map[string]any)[name].(map[string]any), v)
	}
	if choices, ok := rule["anyOf"].([]any); ok {
		for _, choice := range choices {
			if len(s.check(at, choice.(map[string]any), v)) == 0 {
				return nil
			}
		}
		return []string{at + ": fits no choice"}
	}
	if want, ok := rule["const"]; ok && want != v {
		return []string{fmt.Sprintf("%s: %v, want %v", at, v, want)}
	}
	if rule["type"] != nil && !hasType(rule["type"], v) {
		return []string{fmt.Sprintf("%s: %v is not of type %v", at, v, rule["type"])}
	}
	switch v := v.(type) {
	case map[string]any:
		return s.checkObject(at, rule, v)
	case []any:
		var problems []string
		for i, item := range v {
			problems = append(problems, s.check(fmt.Sprintf("%s[%d]", at, i), rule["items"].(map[string]any), item)...)
		}
		return problems
	}
	return nil
}

func (s schema) checkObject(at string, rule, v map[string]any) []string {
	var problems []string
	required, _ := rule["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			problems = append(problems, fmt.Sprintf("%s: no %s", at, name))
		}
	}
	properties, _ := rule["properties"].(map[string]any)
	for name, value := range v {
		below, ok := properties[name].(map[string]any)
		if !ok {
			below, ok = rule["additionalProperties"].(map[string]any)
		}
		if !ok {
			problems = append(problems, fmt.Sprintf("%s: %s is not documented", at, name))
			continue
		}
		problems = append(problems, s.check(at+"."+name, below, value)...)
	}
	return problems
}

// hasType reports whether v is of a type, or of one of several.
func hasType(want, v any) bool {
	if several, ok := want.([]any); ok {
		for _, one := range several {
			if hasType(one, v) {
				return true
			}
		}
		return false
	}
	switch v := v.(type) {
	case nil:
		return want == "null"
	case bool:
		return want == "boolean"
	case string:
		return want == "string"
	case float64:
		return want == "number" || want == "integer" && v == float64(int64(v))
	case []any:
		return want == "array"
	}
	return want == "object"
}
