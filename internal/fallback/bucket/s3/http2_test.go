// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
)

// TestRequestsShareNoConnection: HTTP/2 would put those that are under way at the same
// time on one connection, which ends with the first of them.
func TestRequestsShareNoConnection(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 {
			t.Errorf("%s %s by %s", r.Method, r.URL.Path, r.Proto)
		}
		w.Header().Set("ETag", `"v"`)
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo) // one client does not trust it
	server.StartTLS()
	t.Cleanup(server.Close)
	buckettest.TestSharesNoConnection(t, server, func() (bucket.Bucket, *http.Transport) {
		opened := openBucket(t, Options{Getenv: environment(server.URL)})
		return opened, opened.transport
	})
}
