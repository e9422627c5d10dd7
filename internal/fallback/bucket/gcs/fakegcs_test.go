// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package gcs

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"blackout/internal/fakegcstest"
	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
)

// guarded is fake-gcs-server behind a front that asks for a token, which the server
// itself never does.
func guarded(t *testing.T, token string) (front *httptest.Server, denied *atomic.Int32) {
	t.Helper()
	server, err := url.Parse(fakegcstest.Start(t, "backup"))
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(server) }}
	denied = new(atomic.Int32)
	front = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			denied.Add(1)
			answerError(w, http.StatusUnauthorized, "authError")
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	return front, denied
}

func TestSnapshotsThroughFakeGCS(t *testing.T) {
	t.Parallel()
	front, denied := guarded(t, token(1))
	authority := newAuthority(t)
	opened := openAt(t, front.URL, "GCP_SERVICE_ACCOUNT", authority.account)
	const key = "prod/3.9.1.0/config.json"
	if _, err := opened.Get(t.Context(), key, 1000); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("get from an empty bucket: %v", err)
	}
	if _, err := opened.Head(t.Context(), key); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("head in an empty bucket: %v", err)
	}
	metadata := map[string]string{"blackout-hash": "h1", "blackout-sha256": strings.Repeat("0", 64)}
	version, err := opened.Put(t.Context(), key, bucket.BodyOf([]byte(table)), bucket.PutOptions{Metadata: metadata})
	if err != nil {
		t.Fatal(err)
	}
	object, err := opened.Get(t.Context(), key, 1000)
	if err != nil || string(object.Body) != table || object.Version != version || !reflect.DeepEqual(object.Metadata, metadata) {
		t.Errorf("get: %+v, %v; version %s", object, err, version)
	}
	info, err := opened.Head(t.Context(), key)
	if err != nil || info.Size != int64(len(table)) || info.Version != version || !reflect.DeepEqual(info.Metadata, metadata) || info.Modified.IsZero() {
		t.Errorf("head: %+v, %v; version %s", info, err, version)
	}
	listed, _, err := opened.List(t.Context(), "prod/", 100)
	if err != nil || len(listed) != 1 || listed[0].Version != version || listed[0].Key != key {
		t.Errorf("listed %+v, %v", listed, err)
	}
	if denied.Load() != 0 || authority.given.Load() != 1 {
		t.Errorf("%d requests lacked the token; %d tokens were given out", denied.Load(), authority.given.Load())
	}
	if _, err := openAt(t, front.URL).Get(t.Context(), key, 1000); !errors.Is(err, bucket.ErrDenied) || denied.Load() != 1 {
		t.Errorf("without a token: %v", err)
	}
}

func TestFakeGCSKeepsThePromisesOfABucket(t *testing.T) {
	t.Parallel()
	opened := openAt(t, fakegcstest.Start(t, "backup"))
	buckettest.Test(t, func(*testing.T) bucket.Bucket { return opened })
}
