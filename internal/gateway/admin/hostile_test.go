// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blackout/internal/gateway/admin"
	"blackout/internal/gateway/store"
)

func newHandler(t *testing.T, change func(*admin.Options)) http.Handler {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "x.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	options := admin.Options{Store: db, Version: "3.9.1", Log: slog.New(slog.DiscardHandler)}
	change(&options)
	return admin.New(options)
}

// TestAClientThatNeverFinishes is cut off, with and without a body to read.
func TestAClientThatNeverFinishes(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newHandler(t, func(options *admin.Options) { options.BodyTimeout = 50 * time.Millisecond }))
	defer server.Close()
	for method, want := range map[string]int{"POST": 408, "GET": 200} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "%s /services HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", method)
		reader := bufio.NewReader(conn)
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: got %d, want %d", method, response.StatusCode, want)
		}
		if _, err := reader.Discard(1 << 20); err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: the connection stays open: %v", method, err)
		}
	}
}

// TestTooMuch: what is too large or too deep is refused, and told why.
func TestTooMuch(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, func(options *admin.Options) { options.MaxBody = 1 << 20 })
	deep := strings.Repeat(`{"config":`, 20000) + "1" + strings.Repeat("}", 20000)
	for name, c := range map[string]struct {
		contentType, body string
		status            int
		want              string
	}{
		"long":                  {"application/json", `{"host":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "Request Entity Too Large"},
		"deep":                  {"application/json", deep, 400, "Cannot parse JSON body"},
		"deep enough to parse":  {"application/json", strings.Repeat(`{"config":`, 9000) + "1" + strings.Repeat("}", 9000), 400, "unknown field"},
		"deep form":             {"application/x-www-form-urlencoded", strings.Repeat("a.", 100000) + "=1", 400, "nested too deep"},
		"many fields":           {"application/x-www-form-urlencoded", strings.Repeat("tags[]=a&", 100000), 400, "too many fields"},
		"a part without an end": {"multipart/form-data; boundary=X", "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb", 400, "not complete"},
		"bad escapes":           {"application/x-www-form-urlencoded", "a=%zz", 400, "one is not URL-encoded"},
	} {
		request := httptest.NewRequest("POST", "/services", strings.NewReader(c.body))
		request.Header.Set("Content-Type", c.contentType)
		recorder := httptest.NewRecorder()
		start := time.Now()
		handler.ServeHTTP(recorder, request)
		if recorder.Code != c.status || !strings.Contains(recorder.Body.String(), c.want) {
			t.Errorf("%s: got %d %.200s, want %d %s", name, recorder.Code, recorder.Body, c.status, c.want)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s took %s", name, took)
		}
	}
}

// TestSecretsStayOutOfTheLog: a private key is returned to who asks for it, and
// written down nowhere else, also where the database fails.
func TestSecretsStayOutOfTheLog(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	var db *store.Store
	handler := newHandler(t, func(options *admin.Options) {
		options.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		db = options.Store
	})
	members := pair(t)
	post := func() *httptest.ResponseRecorder {
		request := httptest.NewRequest("POST", "/certificates", strings.NewReader("{"+members+"}"))
		request.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		return recorder
	}
	if got := post(); got.Code != 201 || !strings.Contains(got.Body.String(), "PRIVATE KEY") {
		t.Errorf("got %d %s", got.Code, got.Body)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if got := post(); got.Code != 500 || strings.Contains(got.Body.String(), "PRIVATE KEY") {
		t.Errorf("without a database: %d %s", got.Code, got.Body)
	}
	if !strings.Contains(log.String(), "admin.failed") || strings.Contains(log.String(), "PRIVATE KEY") {
		t.Errorf("the log is %s", &log)
	}
}

// TestSecretsInPathsStayOutOfTheLog: key-auth credentials are named by their keys.
func TestSecretsInPathsStayOutOfTheLog(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	handler := newHandler(t, func(options *admin.Options) {
		options.Log = slog.New(slog.NewJSONHandler(&log, nil))
		_ = options.Store.Close() // so that every request fails
	})
	for _, path := range []string{"/key-auths/a-secret-key", "/consumers/c/key-auth/a-secret-key", "/services/visible"} {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest("GET", path, nil))
		if recorder.Code != 500 {
			t.Errorf("%s: got %d", path, recorder.Code)
		}
	}
	if got := log.String(); strings.Contains(got, "a-secret-key") || !strings.Contains(got, "/key-auth/******") || !strings.Contains(got, "/services/visible") {
		t.Errorf("the log is %s", got)
	}
}

// TestNotUTF8 is refused wherever it comes, and never kept as something else.
func TestNotUTF8(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, func(*admin.Options) {})
	const form, unknownKind = "application/x-www-form-urlencoded", `["3783cba9-109a-4b7e-9e2d-5ee3a2100300","\u0000","1"]`
	for _, c := range []struct {
		method, path, contentType, body string
		status                          int
	}{
		{"POST", "/consumers", "application/json", "{\"username\":\"a\xff\"}", 400},
		{"POST", "/consumers", form, "username=a%ff", 400},
		{"POST", "/consumers", form, "user%ffname=a", 400},
		{"PUT", "/consumers/a%ff", form, "custom_id=a", 404},
		{"GET", "/consumers?custom_id=%ff", "", "", 400},
		{"GET", "/tags?offset=" + base64.RawURLEncoding.EncodeToString([]byte(unknownKind)), "", "", 400},
		{"POST", "/consumers", "application/json", `{"username":"ä"}`, 201},
		{"GET", "/consumers/%C3%A4?unused=%C3%A4", "", "", 200},
	} {
		request := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
		request.Header.Set("Content-Type", c.contentType)
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		if recorder.Code != c.status {
			t.Errorf("%s %s %q: got %d %s, want %d", c.method, c.path, c.body, recorder.Code, recorder.Body, c.status)
		}
	}
}

// TestAFault is answered and logged.
func TestAFault(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	handler := admin.New(admin.Options{Version: "3.9.1", Log: slog.New(slog.NewJSONHandler(&log, nil))}) // there is no store
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest("GET", "/services", nil))
	if recorder.Code != 500 || !strings.Contains(recorder.Body.String(), "An unexpected error occurred") {
		t.Errorf("got %d %s", recorder.Code, recorder.Body)
	}
	if got := log.String(); !strings.Contains(got, "admin.failed") || !strings.Contains(got, "nil pointer") || !strings.Contains(got, "resource.go") {
		t.Errorf("the log is %s", got)
	}
}
