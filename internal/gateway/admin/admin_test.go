// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blackout/internal/gateway/admin"
	"blackout/internal/gateway/store"
)

// api is an Admin API on an empty database.
type api struct {
	t       *testing.T
	handler http.Handler
	store   *store.Store
}

func newAPI(t *testing.T) *api {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "x.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &api{t: t, store: db, handler: admin.New(admin.Options{Store: db, Version: "3.9.1", NodeID: "n", Hostname: "h",
		Configuration: map[string]any{"database": "sqlite"},
		Log:           slog.New(slog.DiscardHandler)})}
}

// answer is a response with its body decoded.
type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

func (a *api) do(method, path, contentType, body string) answer {
	a.t.Helper()
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	recorder := httptest.NewRecorder()
	a.handler.ServeHTTP(recorder, request)
	text, err := io.ReadAll(recorder.Result().Body)
	if err != nil {
		a.t.Fatal(err)
	}
	got := answer{status: recorder.Code, header: recorder.Header(), text: string(text)}
	if strings.HasPrefix(got.header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(text, &got.body); err != nil {
			a.t.Fatalf("%s %s: %v in %s", method, path, err, text)
		}
	}
	return got
}

func (a *api) json(method, path, body string) answer {
	a.t.Helper()
	contentType := "application/json"
	if body == "" {
		contentType = ""
	}
	return a.do(method, path, contentType, body)
}

func (a *api) expect(status int, method, path, body string) answer {
	a.t.Helper()
	got := a.json(method, path, body)
	if got.status != status {
		a.t.Fatalf("%s %s: got %d %s, want %d", method, path, got.status, got.text, status)
	}
	return got
}

func TestLifeOfAService(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	created := a.expect(201, "POST", "/services", `{"name":"s","url":"https://u.example/base"}`)
	for field, want := range map[string]any{"host": "u.example", "port": 443.0, "protocol": "https", "path": "/base",
		"retries": 5.0, "tls_verify": nil, "enabled": true} {
		if got := created.body[field]; got != want {
			t.Errorf("%s: got %v, want %v", field, got, want)
		}
	}
	if created.header.Get("Server") != "kong/3.9.1" || created.header.Get("X-Kong-Admin-Latency") == "" {
		t.Errorf("headers: %v", created.header)
	}
	patched := a.expect(200, "PATCH", "/services/s", `{"path":"/gen/2","tags":["a"]}`)
	if patched.body["path"] != "/gen/2" || patched.body["host"] != "u.example" || patched.body["id"] != created.body["id"] {
		t.Errorf("after PATCH: %v", patched.body)
	}
	replaced := a.expect(200, "PUT", "/services/s", `{"host":"v"}`)
	if replaced.body["path"] != nil || replaced.body["name"] != "s" || replaced.body["id"] != created.body["id"] {
		t.Errorf("after PUT: %v", replaced.body)
	}
	byID := "/services/00000001-0000-4000-8000-000000000001"
	if made := a.expect(200, "PUT", byID, `{"host":"w"}`); "/services/"+made.body["id"].(string) != byID {
		t.Errorf("PUT made %v", made.body)
	}
	a.expect(204, "DELETE", "/services/s", "")
	a.expect(204, "DELETE", "/services/s", "")
	if got := a.expect(404, "GET", "/services/s", ""); got.text != `{"message":"Not found"}` {
		t.Errorf("got %s", got.text)
	}
	if got := a.expect(404, "PATCH", "/services/s", `{"path":"/"}`); got.body["message"] != `could not find the entity with '{name="s"}'` {
		t.Errorf("got %s", got.text)
	}
}

func TestNestedRoutes(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.expect(201, "POST", "/services", `{"name":"s","host":"h"}`)
	a.expect(201, "POST", "/services", `{"name":"other","host":"h"}`)
	a.expect(201, "POST", "/services/s/routes", `{"name":"r","paths":["/a"]}`)
	a.expect(201, "POST", "/routes", `{"name":"byname","paths":["/b"],"service":{"name":"other"}}`)
	if list := a.expect(200, "GET", "/services/s/routes", ""); len(list.body["data"].([]any)) != 1 {
		t.Errorf("got %s", list.text)
	}
	a.expect(200, "GET", "/services/s/routes/r", "")
	a.expect(404, "GET", "/services/other/routes/r", "")
	a.expect(404, "DELETE", "/services/other/routes/r", "")
	a.expect(404, "GET", "/services/none/routes", "")
	a.expect(405, "DELETE", "/services/none/routes", "")
	if got := a.expect(200, "GET", "/routes/r/service", ""); got.body["name"] != "s" {
		t.Errorf("got %s", got.text)
	}
	a.expect(405, "DELETE", "/routes/r/service", "")
	refused := a.expect(400, "DELETE", "/services/s", "")
	if refused.text != `{"code":4,"fields":{"@referenced_by":"routes"},"message":"an existing 'routes' entity references this 'services' entity","name":"foreign key violation"}` {
		t.Errorf("got %s", refused.text)
	}
	a.expect(400, "POST", "/routes", `{"paths":["/"],"service":{"name":"absent"}}`)
	a.expect(204, "DELETE", "/services/s/routes/r", "")
	a.expect(204, "DELETE", "/services/s", "")
}

func TestPages(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for i := range 5 {
		a.expect(201, "POST", "/services", fmt.Sprintf(`{"host":"h","tags":["all","t%d"]}`, i))
	}
	seen, path := 0, "/services?size=2&tags=all"
	for path != "" {
		page := a.expect(200, "GET", path, "")
		seen += len(page.body["data"].([]any))
		next, _ := page.body["next"].(string)
		if offset, _ := page.body["offset"].(string); (next == "") != (offset == "") || next != "" && !strings.HasSuffix(next, "&tags=all&size=2") {
			t.Fatalf("next %q, offset %q", next, offset)
		}
		path = next
	}
	if seen != 5 {
		t.Errorf("paging saw %d of 5", seen)
	}
	for query, want := range map[string]string{
		"offset=garbage": "'garbage' is not a valid offset: bad json encoding", "size=0": "size must be an integer between 1 and 1000",
		"size=x": "size must be a number", "tags=": "invalid option (tags: cannot be null)", "tags=a,b/c": "invalid option (tags: invalid filter syntax)",
	} {
		if got := a.expect(400, "GET", "/services?"+query, ""); got.body["message"] != want {
			t.Errorf("%s: got %s", query, got.text)
		}
	}
}

func TestOtherAnswers(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, c := range []struct {
		method, path, contentType, body string
		status                          int
		want                            string
	}{
		{"GET", "/nope", "", "", 404, `{"message":"Not found"}`},
		{"DELETE", "/services", "", "", 405, `{"message":"Method not allowed"}`},
		{"POST", "/services", "text/plain", "x", 415, "415 Unsupported Media Type"},
		{"POST", "/services", "Application/JSON", "{}", 415, "415 Unsupported Media Type"},
		{"POST", "/services", "", `{"host":"h"}`, 415, "415 Unsupported Media Type"},
		{"POST", "/services", "", "", 400, "schema violation (host: required field missing)"},
		{"POST", "/services", "application/json", "", 400, "Cannot parse JSON body"},
		{"POST", "/services", "application/json", "null", 400, "Cannot parse JSON body"},
		{"POST", "/services", "application/json", "[]", 400, "Cannot parse JSON body"},
		{"POST", "/services", "application/json", `{"url":"x"}`, 400, "schema violation (url: missing host in url)"},
		{"POST", "/services", "application/json", `{"host":"` + strings.Repeat("x", 11<<20) + `"}`, 413, "413 Request Entity Too Large"},
		{"POST", "/services", "application/x-www-form-urlencoded", "host=h&retries=x", 400, "schema violation (retries: expected an integer)"},
		{"OPTIONS", "/services", "", "", 204, ""},
		{"HEAD", "/services", "", "", 200, ""},
	} {
		got := a.do(c.method, c.path, c.contentType, c.body)
		if got.status != c.status || !strings.Contains(got.text, c.want) {
			t.Errorf("%s %s (%s): got %d %s, want %d %s", c.method, c.path, c.contentType, got.status, got.text, c.status, c.want)
		}
	}
	if allow := a.do("OPTIONS", "/services/x", "", "").header.Get("Allow"); allow != "DELETE, GET, HEAD, OPTIONS, PATCH, PUT" {
		t.Errorf("Allow is %q", allow)
	}
}

func TestNodeEndpoints(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	root := a.expect(200, "GET", "/", "")
	if root.body["version"] != "3.9.1" || root.body["configuration"].(map[string]any)["database"] == nil {
		t.Errorf("got %s", root.text)
	}
	if got := a.expect(200, "GET", "/status", ""); !strings.Contains(got.text, `"database":{"reachable":true}`) {
		t.Errorf("got %s", got.text)
	}
	if got := a.expect(200, "GET", "/clustering/data-planes", ""); got.text != `{"data":[],"next":null}` {
		t.Errorf("got %s", got.text)
	}
	row := store.DataPlane{ID: "x", Hostname: "h", ConfigHash: "c", Capabilities: []string{}, Labels: map[string]string{}}
	if err := a.store.SaveDataPlanes(t.Context(), []store.DataPlane{row}, time.Hour); err != nil {
		t.Fatal(err)
	}
	list := a.expect(200, "GET", "/clustering/data-planes", "")
	if first := list.body["data"].([]any)[0].(map[string]any); first["hostname"] != "h" || first["ttl"].(float64) < 3590 {
		t.Errorf("got %s", list.text)
	}
	a.expect(404, "GET", "/clustering/data-planes/x", "")
	a.expect(200, "GET", "/clustering/status", "")
}

func TestADatabaseThatIsGoneIsReported(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	if err := a.store.Close(); err != nil {
		t.Fatal(err)
	}
	if got := a.expect(200, "GET", "/status", ""); !strings.Contains(got.text, `"database":{"reachable":false}`) {
		t.Errorf("got %s", got.text)
	}
	if got := a.expect(500, "GET", "/services", ""); got.text != `{"message":"An unexpected error occurred"}` {
		t.Errorf("got %s", got.text)
	}
}
