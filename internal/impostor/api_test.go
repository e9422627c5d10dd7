// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package impostor

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"blackout/internal/outlet"
)

// TestControlAPI goes the way that the harness goes.
func TestControlAPI(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	api := httptest.NewServer(b.server.Handler())
	t.Cleanup(api.Close)
	client := NewClient(api.Listener.Addr().String())
	ctx := t.Context()
	address, err := client.Open(ctx, name, b.script(Script{Mode: Normal, Table: []byte(table)}))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if a := outlet.Ask(ctx, address, b.ask); a.Configuration == nil {
			t.Errorf("answer %q", a)
		}
	}
	if seen, err := client.Record(ctx, name, 1); err != nil || seen.Attempts != 2 || len(seen.Connections) != 1 || seen.Connections[0].N != 2 {
		t.Errorf("record after the first: %+v, %v", seen, err)
	}
	if _, err := client.Open(ctx, name, b.script(Script{Mode: Empty})); err == nil || !strings.Contains(err.Error(), "409") {
		t.Errorf("opened twice: %v", err)
	}
	if _, err := client.Open(ctx, "other", b.script(Script{Mode: "x"})); err == nil || !strings.Contains(err.Error(), "400") {
		t.Errorf("unknown mode: %v", err)
	}
	if seen, err := client.Close(ctx, name); err != nil || seen.Upgrades != 2 {
		t.Errorf("closed: %+v, %v", seen, err)
	}
	_, err1 := client.Close(ctx, name)
	_, err2 := client.Record(ctx, name, 0)
	if !errors.Is(err1, ErrNoScript) || !errors.Is(err2, ErrNoScript) {
		t.Errorf("of a closed script: %v, %v", err1, err2)
	}
	if text := b.log.String(); strings.Contains(text, "PRIVATE") || !strings.Contains(text, "script.closed") {
		t.Errorf("log: %s", text)
	}
}

func TestUnknownCallsAreRefused(t *testing.T) {
	t.Parallel()
	api := httptest.NewServer(newBench(t).server.Handler())
	defer api.Close()
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"PUT", "/scripts/a", `{"mode":"busy","statsu":503}`, 400},
		{"PUT", "/scripts/a", `{`, 400},
		{"GET", "/scripts/a", "", 404},
		{"GET", "/scripts/a?after=x", "", 400},
		{"DELETE", "/scripts/a", "", 404},
		{"GET", "/scripts", "", 200},
		{"GET", "/health", "", 200},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, api.URL+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != c.status {
			t.Errorf("%s %s: status %d, want %d", c.method, c.path, res.StatusCode, c.status)
		}
	}
}
