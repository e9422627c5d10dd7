// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestRequestsThatNginxRefuses has what net/http lets through.
func TestRequestsThatNginxRefuses(t *testing.T) {
	t.Parallel()
	p := New(Options{Version: "3.9.1"})
	t.Cleanup(p.Close)
	for name, c := range map[string]struct {
		method, target, host string
		want                 int
	}{
		"fine":           {"GET", "/a/..", "a.b", 404},
		"above the root": {"GET", "/a/../..", "a.b", 400},
		"zero byte":      {"GET", "/%00", "a.b", 400},
		"host":           {"GET", "/", "a..b", 400},
		"method":         {"get", "/", "a.b", 400},
		"trace":          {"TRACE", "/", "a.b", 405},
	} {
		request := httptest.NewRequest(http.MethodGet, c.target, nil)
		request.Method, request.Host = c.method, c.host
		recorder := httptest.NewRecorder()
		p.ServeHTTP(recorder, request)
		if recorder.Code != c.want {
			t.Errorf("%s: got %d, want %d", name, recorder.Code, c.want)
		}
	}
}
