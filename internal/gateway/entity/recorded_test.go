// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"blackout/internal/gateway/entity"
)

// corpusFile returns a file of the recordings of a real Kong 3.9.1: of the whole
// corpus, or else of the excerpt in the repository.
func corpusFile(t *testing.T, name string) string {
	t.Helper()
	root := filepath.Join("..", "..", "..")
	dir := os.Getenv("BLACKOUT_CORPUS")
	if dir == "" {
		dir = filepath.Join(root, "..", "shared", "data")
	}
	for _, dir := range []string{dir, filepath.Join(root, "fixtures", "conformance")} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Fatalf("NOT MEASURED: neither the recording %s of a real Kong nor its excerpt is here", name)
	return ""
}

// lines decodes a file of one JSON object a line.
func lines[T any](t *testing.T, path string) []T {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var found []T
	scanner := bufio.NewScanner(bytes.NewReader(text))
	scanner.Buffer(nil, len(text)+1)
	for scanner.Scan() {
		var line T
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		found = append(found, line)
	}
	return found
}

// adminStep is a recorded request to the Admin API and its answer.
type adminStep struct {
	Session string
	Step    int
	Request struct {
		Method, Path string
		JSON         map[string]any
		Form, Raw    any
	}
	Response struct {
		Status int
		JSON   map[string]any
	}
}

// created returns the schema of the entity that a step makes of a JSON body, nil
// if it does something else or needs what the entity alone does not tell.
func (s adminStep) created() *entity.Schema {
	path := strings.TrimPrefix(s.Request.Path, "/schemas")
	segments := strings.Split(strings.Trim(path, "/"), "/")
	if s.Request.Method != "POST" || s.Request.Form != nil || s.Request.Raw != nil {
		return nil
	}
	if path != s.Request.Path {
		if len(segments) != 2 || segments[1] != "validate" {
			return nil
		}
		return entity.Lookup(segments[0])
	}
	if len(segments) != 1 {
		return nil
	}
	schema := entity.LookupPath(segments[0])
	if schema == nil || schema == entity.Plugins && isForeignPlugin(s.Request.JSON, s.Response.Status) {
		return nil
	}
	return schema
}

func isForeignPlugin(record entity.Record, status int) bool {
	return record.Name() != "" && entity.PluginSchema(record.Name()) == nil && (status == 201 || record.Name() != "nope")
}

func TestRecordedAdminEntities(t *testing.T) {
	t.Parallel()
	counts := map[string]int{}
	for _, step := range lines[adminStep](t, corpusFile(t, "admin.jsonl")) {
		schema := step.created()
		if schema == nil {
			continue
		}
		name := fmt.Sprintf("%s %d %v", step.Session, step.Step, step.Request.JSON)
		record, err := schema.Complete(step.Request.JSON)
		switch {
		case step.Response.JSON["code"] == 2.0:
			counts["refused"]++
			expectRefusal(t, name, err, step.Response.JSON)
		case step.Response.Status == 201:
			counts["created"]++
			if err != nil {
				t.Errorf("%s: got %v, was created", name, err)
				continue
			}
			expectRecord(t, name, record, step.Response.JSON)
		}
	}
	if counts["refused"] < 10 || counts["created"] < 2 { // the excerpt in the repository has so many
		t.Errorf("too few cases were compared: %v", counts)
	}
}

func expectRefusal(t *testing.T, name string, err error, want map[string]any) {
	t.Helper()
	var refusal *entity.Error
	if !errors.As(err, &refusal) {
		t.Errorf("%s: got %v, want %v", name, err, want["message"])
		return
	}
	if refusal.Message != want["message"] || !reflect.DeepEqual(any(refusal.Fields), want["fields"]) {
		t.Errorf("%s:\n got %s %v\nwant %s %v", name, refusal.Message, refusal.Fields, want["message"], want["fields"])
	}
}

// expectRecord compares a completed record with the one that was answered,
// without what the store gives it.
func expectRecord(t *testing.T, name string, got entity.Record, want map[string]any) {
	t.Helper()
	for _, record := range []map[string]any{got, want} {
		for _, field := range []string{"id", "created_at", "updated_at"} {
			delete(record, field)
		}
		if list, ok := record["protocols"].([]any); ok {
			slices.SortFunc(list, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
		}
	}
	for field, value := range want {
		if text, ok := value.(string); ok && strings.HasPrefix(text, "<") {
			got[field] = value // made by the server
		}
	}
	if !reflect.DeepEqual(map[string]any(got), want) {
		t.Errorf("%s:\n got %v\nwant %v", name, got, want)
	}
}
