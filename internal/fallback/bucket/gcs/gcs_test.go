// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package gcs

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
)

const table = `{"_format_version":"3.0","services":[{"name":"a"}]}`

func TestAnObjectComesBackAsItWasPut(t *testing.T) {
	t.Parallel()
	store := newFakeStore(t)
	opened := openAt(t, store.URL)
	const key = "prod eu/3.9.1.0/config ü+&?#%.json"
	metadata := map[string]string{"blackout-hash": "h1", "blackout-exporter": "cp 1"}
	version, err := opened.Put(t.Context(), key, bucket.BodyOf([]byte(table)), bucket.PutOptions{Metadata: metadata})
	if err != nil {
		t.Fatal(err)
	}
	object, err := opened.Get(t.Context(), key, int64(len(table)))
	if err != nil {
		t.Fatal(err)
	}
	info, err := opened.Head(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if string(object.Body) != table {
		t.Errorf("body %q", object.Body)
	}
	for what, got := range map[string]bucket.Info{"get": object.Info, "head": info} {
		if got.Key != key || got.Size != int64(len(table)) || got.Version != version || got.Modified.IsZero() || !reflect.DeepEqual(got.Metadata, metadata) {
			t.Errorf("%s: %+v, version %s", what, got, version)
		}
	}
	listed, _, err := opened.List(t.Context(), "prod eu/", 100)
	if err != nil || len(listed) != 1 || listed[0].Key != key || listed[0].Version != version {
		t.Errorf("listed %+v, %v", listed, err)
	}
	if seen := store.seen(); len(seen) != 4 {
		t.Errorf("four calls sent %q", seen)
	}
}

func TestWritesAreConditional(t *testing.T) {
	t.Parallel()
	buckettest.TestEveryWrite(t, openAt(t, newFakeStore(t).URL), "k", "0", "-1", "x", "12345")
}

func TestListReadsAllPagesInOrder(t *testing.T) {
	t.Parallel()
	store := newFakeStore(t)
	store.pageSize = 2
	opened := openAt(t, store.URL)
	for _, key := range []string{"p/b", "p/a", "q/a", "p/c/d", "p/e", "p2", "p/Z"} {
		if _, err := opened.Put(t.Context(), key, bucket.BodyOf([]byte(key)), bucket.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	store.seen()
	listed, _, err := opened.List(t.Context(), "p/", 100)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, info := range listed {
		keys = append(keys, info.Key)
	}
	if want := []string{"p/Z", "p/a", "p/b", "p/c/d", "p/e"}; !slices.Equal(keys, want) {
		t.Errorf("keys %q, want %q", keys, want)
	}
	if seen := store.seen(); len(seen) != 3 {
		t.Errorf("five objects in pages of two took %q", seen)
	}
	if none, _, err := opened.List(t.Context(), "absent/", 100); err != nil || len(none) != 0 {
		t.Errorf("of none: %v, %v", none, err)
	}
}

func TestItKeepsThePromisesOfABucket(t *testing.T) {
	t.Parallel()
	store := newFakeStore(t)
	buckettest.Test(t, func(t *testing.T) bucket.Bucket { return openAt(t, store.URL) })
}

func TestABusyStoreSaysForHowLong(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{"7": 7 * time.Second, time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat): 0, "": -1, "soon": -1} {
		opened := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", value)
			w.WriteHeader(http.StatusTooManyRequests)
		})
		_, err := opened.Head(t.Context(), "k")
		busy, told := errors.AsType[bucket.BusyError](err)
		if !errors.Is(err, bucket.ErrUnavailable) || told != (want >= 0) || told && busy.After != want {
			t.Errorf("%q: %v", value, err)
		}
	}
}

// scripted opens a bucket whose store answers every request so.
func scripted(t *testing.T, answer http.HandlerFunc) *Bucket {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// An answer before the whole request would reach a client that still writes.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return openAt(t, server.URL)
}

func TestRefusalsAreTold(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	tests := []struct {
		status int
		body   string
		want   error
		told   string
	}{
		{404, `<Error><Code>NoSuchKey</Code><Details>hunter2</Details></Error>`, bucket.ErrNotFound, "NoSuchKey (status 404)"},
		{404, `{"error":{"errors":[{"reason":"notFound","message":"hunter2"}]}}`, bucket.ErrNotFound, "notFound (status 404)"},
		{412, `{"error":{"errors":[{"reason":"conditionNotMet"}]}}`, bucket.ErrConflict, "conditionNotMet (status 412)"},
		{409, `{"error":{"status":"CONFLICT"}}`, bucket.ErrConflict, "CONFLICT (status 409)"},
		{401, `{"error":{"errors":[{"reason":"authError"}]}}`, bucket.ErrDenied, "authError (status 401)"},
		{403, `<Error><Code>AccessDenied</Code></Error>`, bucket.ErrDenied, "AccessDenied (status 403)"},
		{403, `{"error":{"errors":[{"reason":"userRateLimitExceeded"}]}}`, bucket.ErrUnavailable, "userRateLimitExceeded (status 403)"},
		{429, `{"error":{"errors":[{"reason":"rateLimitExceeded"}]}}`, bucket.ErrUnavailable, "rateLimitExceeded (status 429)"},
		{503, `backendError hunter2`, bucket.ErrUnavailable, "(status 503)"},
		{500, ``, bucket.ErrUnavailable, "(status 500)"},
		{400, `{"error":{"errors":[{"reason":"hunter2 and more"}]}}`, bucket.ErrRefused, "(status 400)"},
		{413, `{"error":{"errors":[{"reason":"uploadTooLarge"}]}}`, bucket.ErrRefused, "uploadTooLarge (status 413)"},
		{408, ``, bucket.ErrUnavailable, "(status 408)"},
		{307, ``, bucket.ErrUnavailable, "(status 307)"},
		{200, `hunter2`, bucket.ErrUnavailable, ""},
		{200, `{}`, bucket.ErrUnavailable, ""},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.status, test.told), func(t *testing.T) {
			t.Parallel()
			opened := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "http://elsewhere.invalid/")
				w.WriteHeader(test.status)
				fmt.Fprint(w, test.body)
			})
			_, get := opened.Get(t.Context(), "p/k", 100)
			_, head := opened.Head(t.Context(), "p/k")
			_, put := opened.Put(t.Context(), "p/k", bucket.BodyOf([]byte(table)), bucket.PutOptions{})
			for operation, err := range map[string]error{"get": get, "head": head, "put": put} {
				if !errors.Is(err, test.want) || !strings.HasPrefix(fmt.Sprint(err), operation+" gcs://backup/p/k: ") || !strings.Contains(fmt.Sprint(err), test.told) {
					t.Errorf("%v, want %v with %q", err, test.want, test.told)
				}
				if strings.Contains(fmt.Sprint(err), secret) || strings.Contains(fmt.Sprint(err), "\n") {
					t.Errorf("the answer's text is in the error %q", err)
				}
			}
		})
	}
}

func TestDamagedBodiesAreNotTaken(t *testing.T) {
	t.Parallel()
	md, crc := sums([]byte(table))
	tests := []struct {
		name    string
		headers map[string]string
		body    string
		limit   int64
		want    error
	}{
		{"intact", map[string]string{"X-Goog-Hash": "crc32c=" + crc + ",md5=" + md}, table, 1000, nil},
		{"composed of others", map[string]string{"X-Goog-Hash": "crc32c=" + crc}, table, 1000, nil},
		{"with a checksum of another kind", map[string]string{"X-Goog-Hash": "sha512=x, crc32c=" + crc}, table, 1000, nil},
		{"stored as gzip", map[string]string{"Content-Encoding": "gzip", "X-Goog-Stored-Content-Encoding": "gzip", "X-Goog-Hash": "md5=" + md}, table, 1000, nil},
		{"a bit flipped", map[string]string{"X-Goog-Hash": "crc32c=" + crc + ",md5=" + md}, "}" + table[1:], 1000, bucket.ErrIncomplete},
		{"another MD5", map[string]string{"X-Goog-Hash": "crc32c=" + crc + ",md5=AAAAAAAAAAAAAAAAAAAAAA=="}, table, 1000, bucket.ErrIncomplete},
		{"expanded on the way", map[string]string{"X-Goog-Stored-Content-Encoding": "gzip"}, table, 1000, bucket.ErrIncomplete},
		{"compressed on the way", map[string]string{"X-Goog-Stored-Content-Encoding": "identity", "Content-Encoding": "gzip"}, table, 1000, bucket.ErrIncomplete},
		{"a part of it", map[string]string{"Content-Range": "bytes 0-10/100"}, table, 1000, bucket.ErrIncomplete},
		{"cut", map[string]string{"Content-Length": "1000"}, table, 1000, bucket.ErrIncomplete},
		{"larger than the limit", nil, table, int64(len(table)) - 1, bucket.ErrTooLarge},
		{"larger by its announcement", map[string]string{"Content-Length": "1001"}, table, 1000, bucket.ErrTooLarge},
		{"without a generation", map[string]string{"X-Goog-Generation": ""}, table, 1000, bucket.ErrUnavailable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			opened := scripted(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Accept-Encoding") != "gzip" {
					t.Errorf("accepts %q", r.Header.Get("Accept-Encoding"))
				}
				w.Header().Set("X-Goog-Generation", "7")
				for name, value := range test.headers {
					w.Header().Set(name, value)
				}
				fmt.Fprint(w, test.body)
			})
			object, err := opened.Get(t.Context(), "k", test.limit)
			if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if err == nil && string(object.Body) != table || err != nil && object.Body != nil {
				t.Errorf("body %q came with %v", object.Body, err)
			}
		})
	}
}

func TestAHangingStoreIsGivenUpWithTheContext(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]bool{"before the answer": false, "in the middle of the body": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrived := make(chan struct{}, 1)
			opened := scripted(t, func(w http.ResponseWriter, r *http.Request) {
				if begin {
					w.Header().Set("X-Goog-Generation", "7")
					w.Header().Set("Content-Length", "1000")
					fmt.Fprint(w, "{")
					w.(http.Flusher).Flush()
				}
				arrived <- struct{}{}
				<-r.Context().Done()
			})
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-arrived; cancel() }()
			if _, err := opened.Get(ctx, "k", 1000); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestAPutWhoseAnswerIsLostMayHaveTakenEffect(t *testing.T) {
	t.Parallel()
	store := newFakeStore(t)
	opened := scripted(t, func(_ http.ResponseWriter, r *http.Request) {
		store.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	})
	_, err := opened.Put(t.Context(), "k", bucket.BodyOf([]byte(table)), bucket.PutOptions{If: bucket.IfAbsent()})
	if !errors.Is(err, bucket.ErrUnavailable) || errors.Is(err, bucket.ErrConflict) {
		t.Errorf("error %v", err)
	}
	if seen := store.seen(); len(seen) != 1 {
		t.Errorf("the request was sent %d times", len(seen))
	}
	if object, err := openAt(t, store.URL).Get(t.Context(), "k", 1000); err != nil || string(object.Body) != table {
		t.Errorf("stored %q, %v", object.Body, err)
	}
}

func TestTheStoreRefusesABodyDamagedOnTheWay(t *testing.T) {
	t.Parallel()
	store := newFakeStore(t)
	opened := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		var sent bytes.Buffer
		if _, err := sent.ReadFrom(r.Body); err != nil {
			t.Error(err)
		}
		flipped := bytes.Replace(sent.Bytes(), []byte(table), []byte("}"+table[1:]), 1)
		damaged := httptest.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), bytes.NewReader(flipped))
		damaged.Header = r.Header
		store.ServeHTTP(w, damaged)
	})
	if _, err := opened.Put(t.Context(), "k", bucket.BodyOf([]byte(table)), bucket.PutOptions{}); !errors.Is(err, bucket.ErrRefused) || !strings.Contains(err.Error(), "invalid (status 400)") {
		t.Errorf("error %v", err)
	}
	if _, err := openAt(t, store.URL).Head(t.Context(), "k"); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("it was stored: %v", err)
	}
}

func TestAListingThatDoesNotEndIsGivenUp(t *testing.T) {
	t.Parallel()
	opened := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"items":[{"name":"a","size":"1","generation":"1"}],"nextPageToken":"same"}`)
	})
	if _, _, err := opened.List(t.Context(), "", 100); !errors.Is(err, bucket.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
}

func TestTheStoresCertificateIsVerified(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	server.StartTLS()
	defer server.Close()
	_, err := openAt(t, server.URL).Get(t.Context(), "k", 1)
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok || !errors.Is(err, bucket.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
}

func TestAnEncryptionKeyOfTheCustomerIsTold(t *testing.T) {
	t.Parallel()
	opened := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"name":"k","size":"1","generation":"1","updated":%q,"kmsKeyName":"projects/p/k"}`, time.Now().Format(time.RFC3339))
	})
	if info, err := opened.Head(t.Context(), "k"); err != nil || info.Encryption != "gcp:kms" {
		t.Errorf("%+v, %v", info, err)
	}
}

// Requests that are under way at the same time share no connection, which would end
// with the first of them: they do not go by HTTP/2.
func TestRequestsShareNoConnection(t *testing.T) {
	t.Parallel()
	store := &fakeStore{pageSize: 1000, objects: map[string]fakeObject{}}
	store.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 {
			t.Errorf("%s %s by %s", r.Method, r.URL.Path, r.Proto)
		}
		store.ServeHTTP(w, r)
	}))
	store.EnableHTTP2 = true
	store.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo) // one client does not trust it
	store.StartTLS()
	t.Cleanup(store.Close)
	buckettest.TestSharesNoConnection(t, store.Server, func() (bucket.Bucket, *http.Transport) {
		opened, err := Open(Options{Bucket: "backup", Getenv: func(name string) string {
			return map[string]string{"STORAGE_EMULATOR_HOST": store.URL}[name]
		}})
		if err != nil {
			t.Fatal(err)
		}
		return opened, opened.transport
	})
}
