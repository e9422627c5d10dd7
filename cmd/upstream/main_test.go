// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestEcho(t *testing.T) {
	t.Parallel()
	tests := []struct{ method, path, want string }{
		{"GET", "/gen/7/a/b", `{"path":"/gen/7/a/b","generation":7,"host":"example.com","method":"GET"}`},
		{"POST", "/gen/0", `{"path":"/gen/0","generation":0,"host":"example.com","method":"POST"}`},
		{"GET", "/gen/x", `{"path":"/gen/x","host":"example.com","method":"GET"}`},
		{"GET", "/gen/-1", `{"path":"/gen/-1","host":"example.com","method":"GET"}`},
		{"GET", "/generation/7", `{"path":"/generation/7","host":"example.com","method":"GET"}`},
		{"GET", "/.health", ``},
	}
	for _, test := range tests {
		w := httptest.NewRecorder()
		echo(w, httptest.NewRequest(test.method, test.path, nil))
		if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusOK || got != test.want {
			t.Errorf("%s %s: %d %s, want %s", test.method, test.path, w.Code, got, test.want)
		}
	}
}

func FuzzGeneration(f *testing.F) {
	f.Add("/gen/7/x")
	f.Add("/gen/")
	f.Fuzz(func(t *testing.T, path string) {
		if n, ok := generation(path); n < 0 || (ok && !strings.HasPrefix(path, "/gen/")) {
			t.Errorf("%q: %d, %v", path, n, ok)
		}
	})
}

func TestRunKeepsConnectionsAndEnds(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"--listen", "127.0.0.1:0"}, writer) }()
	lines := bufio.NewScanner(reader)
	lines.Scan()
	var line struct{ Address string }
	if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		response, err := http.Get("http://" + line.Address + "/gen/1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK || response.Close {
			t.Errorf("status %d, closes %v", response.StatusCode, response.Close)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
