// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"blackout/internal/gateway/admin"
	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/store"
)

// adminStep is one line of admin.jsonl.
type adminStep struct {
	Session string
	Step    int
	Request struct {
		Method, Path string
		Headers      [][2]string
		JSON         json.RawMessage
		Form         [][2]string
		Raw          *string
	}
	Response struct {
		Status  int
		Headers map[string]string
		JSON    any
		Body    string
	}
}

// adminGoal is the share of the steps in scope that must be answered as the
// recorded control plane did.
const adminGoal = 0.95

// TestAdmin replays what a real Kong 3.9.1's Admin API was asked, and compares
// status, headers and bodies.
func TestAdmin(t *testing.T) {
	t.Parallel()
	steps := readAdmin(t)
	sessions := map[string]*adminSession{}
	var results []adminResult
	for _, step := range steps {
		session := sessions[step.Session]
		if session == nil {
			session = newAdminSession(t, step.Session)
			sessions[step.Session] = session
		}
		results = append(results, session.replay(step))
	}
	judgeAdmin(t, results)
}

func readAdmin(t *testing.T) []adminStep {
	t.Helper()
	var steps []adminStep
	for line := range bytes.Lines(corpus(t, "admin.jsonl")) {
		var step adminStep
		if err := json.Unmarshal(line, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	return steps
}

// adminResult is a step with what was found; reason is empty if it agreed.
type adminResult struct {
	step       adminStep
	difference string
	reason     string // why it had to be so; empty for a difference that nobody explained
}

func judgeAdmin(t *testing.T, results []adminResult) {
	t.Helper()
	known, agreed, unexplained := map[string]int{}, 0, 0
	for _, result := range results {
		switch {
		case result.difference == "":
			agreed++
		case result.reason != "":
			known[result.reason]++
		default:
			unexplained++
			t.Logf("admin: %s step %d, %s %s: %s", result.step.Session, result.step.Step, result.step.Request.Method,
				result.step.Request.Path, result.difference)
		}
	}
	inScope := agreed + unexplained
	t.Logf("admin: %d of %d steps as recorded (%.1f %%); %d of %d in scope (%.1f %%)", agreed, len(results),
		percent(agreed, len(results)), agreed, inScope, percent(agreed, inScope))
	for _, reason := range slices.Sorted(maps.Keys(known)) {
		t.Logf("admin: %3d differ: %s", known[reason], reason)
	}
	if inScope == 0 || float64(agreed) < adminGoal*float64(inScope) {
		t.Errorf("admin: %d of %d in scope, want %.0f %%", agreed, inScope, 100*adminGoal)
	}
}

func percent(part, whole int) float64 { return 100 * float64(part) / float64(max(whole, 1)) }

// adminSession is one recorded session on an empty database of ours.
type adminSession struct {
	handler http.Handler
	values  *substitutes
	strayed map[string]bool // ids that the recorded server has and ours, for a known reason, has not
}

func newAdminSession(t *testing.T, name string) *adminSession {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "x.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if name == "admin-clustering" { // there, a data plane is attached
		row := store.DataPlane{ID: "11111111-1111-4111-8111-111111111111", Hostname: "host", IP: "127.0.0.1", Version: "3.9.1",
			ConfigHash: entity.EmptyHash, SyncStatus: "normal", Labels: map[string]string{}, Capabilities: []string{},
			CertDetails: store.CertDetails{ExpiryTimestamp: time.Now().Add(time.Hour).Unix()}}
		if err := db.SaveDataPlanes(t.Context(), []store.DataPlane{row}, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	handler := admin.New(admin.Options{Store: db, Version: "3.9.1", NodeID: "22222222-2222-4222-8222-222222222222", Hostname: "host",
		Log: slog.New(slog.DiscardHandler)})
	return &adminSession{handler: handler, values: newSubstitutes(t), strayed: map[string]bool{}}
}

func (s *adminSession) replay(step adminStep) adminResult {
	result := adminResult{step: step}
	request := httptest.NewRequest(step.Request.Method, s.values.fill(step.Request.Path), strings.NewReader(s.values.fill(body(step))))
	request.Header.Del("Content-Type")
	for _, header := range step.Request.Headers {
		request.Header.Set(header[0], header[1])
	}
	recorder := httptest.NewRecorder()
	s.handler.ServeHTTP(recorder, request)
	result.difference = s.compare(step, recorder)
	if result.difference != "" {
		result.reason = s.explain(step, recorder)
	}
	return result
}

func body(step adminStep) string {
	switch {
	case step.Request.Raw != nil:
		return *step.Request.Raw
	case step.Request.Form != nil:
		fields := make([]string, len(step.Request.Form))
		for i, field := range step.Request.Form {
			fields[i] = url.QueryEscape(field[0]) + "=" + url.QueryEscape(field[1])
		}
		return strings.Join(fields, "&")
	}
	return string(step.Request.JSON)
}

func (s *adminSession) compare(step adminStep, got *httptest.ResponseRecorder) string {
	if got.Code != step.Response.Status {
		return fmt.Sprintf("status %d %s, recorded %d", got.Code, got.Body, step.Response.Status)
	}
	for name, want := range step.Response.Headers {
		if have := got.Header().Get(name); have != want {
			return fmt.Sprintf("header %s is %q, recorded %q", name, have, want)
		}
	}
	if step.Response.JSON == nil {
		if got.Body.String() != step.Response.Body {
			return fmt.Sprintf("body %q, recorded %q", got.Body, step.Response.Body)
		}
		return ""
	}
	var have any
	if err := json.Unmarshal(got.Body.Bytes(), &have); err != nil {
		return fmt.Sprintf("body is no JSON: %v", err)
	}
	recorded, _ := step.Response.JSON.(map[string]any)
	s.values.part = recorded["next"] != nil || strings.Contains(step.Request.Path, "offset=")
	return s.values.differ("", reduce(have, step.Response.JSON), step.Response.JSON)
}

// reduce brings an answer into the form in which some answers were recorded:
// a schema by its fields' names and types, a long list by its length.
func reduce(have, recorded any) any {
	got, _ := have.(map[string]any)
	want, _ := recorded.(map[string]any)
	if got == nil || want == nil {
		return have
	}
	if _, counted := want["n"]; counted {
		list, _ := got["data"].([]any)
		return map[string]any{"n": float64(len(list)), "next": got["next"]}
	}
	if _, isSchema := want["field_names"]; isSchema {
		return reduceSchema(got)
	}
	return have
}

func reduceSchema(got map[string]any) any {
	fields, names := map[string]any{}, []string{}
	list, _ := got["fields"].([]any)
	for _, element := range list {
		member, _ := element.(map[string]any)
		for name, described := range member {
			attributes, kept := described.(map[string]any), map[string]any{}
			for _, attribute := range []string{"type", "required", "default", "auto", "unique", "reference"} {
				if value, given := attributes[attribute]; given {
					kept[attribute] = value
				}
			}
			fields[name] = kept
			names = append(names, name)
		}
	}
	return map[string]any{
		"keys": asAny(slices.Sorted(maps.Keys(got))), "field_names": asAny(slices.Sorted(slices.Values(names))), "fields": fields,
	}
}

func asAny(texts []string) []any {
	list := make([]any, len(texts))
	for i, text := range texts {
		list[i] = text
	}
	return list
}

// explain says why an answer differs, if that is known.
func (s *adminSession) explain(step adminStep, got *httptest.ResponseRecorder) string {
	text := got.Body.String()
	path := step.Request.Path
	switch {
	case step.Response.Status == http.StatusInternalServerError && got.Code == http.StatusBadRequest:
		return "answered with 400 where the recorded server failed with 500"
	case strings.Contains(text, "not enabled; add it to the 'plugins'"), strings.Contains(text, "No plugin named"):
		s.stray(step)
		return "concerns a plugin that this gateway does not have"
	case strings.Contains(string(step.Request.JSON), "-function") && step.Response.Status == http.StatusBadRequest:
		return "concerns Lua, which is not compiled here"
	case path == "/plugins/enabled":
		return "lists the plugins that this gateway has"
	case s.concernsStray(path):
		return "concerns an entity of a plugin that this gateway does not have"
	}
	return ""
}

// stray notes the id of an entity that only the recorded server has.
func (s *adminSession) stray(step adminStep) {
	var input struct{ ID string }
	if json.Unmarshal(step.Request.JSON, &input) == nil && input.ID != "" {
		s.strayed[input.ID] = true
	}
	s.strayed[step.Request.Path] = strings.HasPrefix(step.Request.Path, "/plugins/")
}

func (s *adminSession) concernsStray(path string) bool {
	for id, stray := range s.strayed {
		if stray && strings.Contains(path, id) {
			return true
		}
	}
	return false
}

// encode writes a value for a message.
func encode(value any) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value) // what was decoded can be encoded
	return strings.TrimSpace(out.String())
}
