// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"blackout/internal/fallback/bucket"
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
	readyHTTP2(t, server.URL)
	opened := openBucket(t, Options{Getenv: environment(server.URL)})
	opened.transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	opened.transport.TLSClientConfig.RootCAs.AddCert(server.Certificate())
	var puts sync.WaitGroup
	for i := range 20 {
		puts.Go(func() {
			if _, err := opened.Put(t.Context(), fmt.Sprint(i), bucket.BodyOf([]byte(testTable)), bucket.PutOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	puts.Wait()
}

// readyHTTP2 makes Go's default transport, of which ours is a clone, offer HTTP/2, as
// its first use in a process does.
func readyHTTP2(t *testing.T, address string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := http.DefaultTransport.RoundTrip(request); err == nil {
		response.Body.Close()
		t.Error("an unknown authority is trusted")
	}
}
