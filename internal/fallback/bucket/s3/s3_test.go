// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
	"blackout/internal/s3server"
)

const (
	testTable = `{"_format_version":"3.0","services":[{"name":"a"}]}`
	testKey   = "p/1.0/config.json"
	rootUser  = "root-user"
	rootPass  = "root-password"
)

// requests counts what reaches a server, as "METHOD path?query".
type requests struct {
	mu   sync.Mutex
	seen []string
}

func (r *requests) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.mu.Lock()
		r.seen = append(r.seen, request.Method+" "+request.URL.RequestURI())
		r.mu.Unlock()
		next.ServeHTTP(w, request)
	})
}

func (r *requests) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.seen
	r.seen = nil
	return seen
}

func (r *requests) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := r.take(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("requests %q, want %q", got, want)
	}
}

// environment has the root account's keys, and what is given as name and value.
func environment(endpoint string, more ...string) func(string) string {
	values := map[string]string{"AWS_ACCESS_KEY_ID": rootUser, "AWS_SECRET_ACCESS_KEY": rootPass, "AWS_CONFIG_STORAGE_ENDPOINT": endpoint}
	return with(values, more...)
}

func with(values map[string]string, more ...string) func(string) string {
	for i := 0; i+1 < len(more); i += 2 {
		values[more[i]] = more[i+1]
	}
	return func(name string) string { return values[name] }
}

func openBucket(t *testing.T, options Options) *Bucket {
	t.Helper()
	if options.Bucket == "" {
		options.Bucket = "backup"
	}
	opened, err := Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(opened.Close)
	return opened
}

// serve serves a handler and counts its requests.
func serve(t *testing.T, handler http.Handler) (endpoint string, counter *requests) {
	t.Helper()
	counter = &requests{}
	server := httptest.NewServer(counter.around(handler))
	t.Cleanup(server.Close)
	return server.URL + "/", counter
}

// newEmbedded is the bucket of an embedded S3 server.
func newEmbedded(t *testing.T) (*Bucket, *requests) {
	t.Helper()
	server, err := s3server.New(s3server.Options{Dir: t.TempDir(), RootUser: rootUser, RootPassword: rootPass, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	endpoint, counter := serve(t, server)
	opened := openBucket(t, Options{Getenv: environment(endpoint)})
	if err := opened.Administration().Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	counter.take()
	return opened, counter
}

func TestConformance(t *testing.T) {
	t.Parallel()
	buckettest.Test(t, func(t *testing.T) bucket.Bucket {
		opened, _ := newEmbedded(t)
		return opened
	})
}

func TestEveryCallIsOneRequest(t *testing.T) {
	t.Parallel()
	opened, counter := newEmbedded(t)
	version, err := opened.Put(t.Context(), testKey, bucket.BodyOf([]byte(testTable)), bucket.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	counter.expect(t, "PUT /backup/p/1.0/config.json")
	if _, err := opened.Put(t.Context(), testKey, bucket.BodyOf([]byte("2")), bucket.PutOptions{If: bucket.IfVersion(version)}); err != nil {
		t.Fatal(err)
	}
	counter.expect(t, "PUT /backup/p/1.0/config.json")
	if _, err := opened.Get(t.Context(), testKey, 100); err != nil {
		t.Fatal(err)
	}
	counter.expect(t, "GET /backup/p/1.0/config.json")
	if _, err := opened.Head(t.Context(), testKey); err != nil {
		t.Fatal(err)
	}
	counter.expect(t, "HEAD /backup/p/1.0/config.json")
	if _, _, err := opened.List(t.Context(), "p/1.0/", 100); err != nil {
		t.Fatal(err)
	}
	if got := counter.take(); len(got) != 1 || !strings.HasPrefix(got[0], "GET /backup/?") {
		t.Errorf("list: requests %q", got)
	}
}

// TestPayloadIsSignedWhole: the digest is signed, MD5 and checksum are sent, and
// nothing is sent in signed chunks or with a trailer, which not every store takes.
func TestPayloadIsSignedWhole(t *testing.T) {
	t.Parallel()
	var got http.Header
	endpoint, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != testTable || r.ContentLength != int64(len(testTable)) || len(r.TransferEncoding) > 0 || len(r.Trailer) > 0 {
			t.Errorf("body %q of %d bytes, encoding %q, trailer %q, %v", body, r.ContentLength, r.TransferEncoding, r.Trailer, err)
		}
		w.Header().Set("ETag", `"v"`)
	}))
	opened := openBucket(t, Options{Getenv: environment(endpoint)})
	if version, err := opened.Put(t.Context(), "k", bucket.BodyOf([]byte(testTable)), bucket.PutOptions{}); err != nil || version != "v" {
		t.Fatalf("version %q, %v", version, err)
	}
	for name, want := range map[string]string{
		"X-Amz-Content-Sha256":  "01d125981f18701d7f5c7c6f2b06c7b1b5537d41df6f69ddb6e922b5821621ee",
		"X-Amz-Checksum-Sha256": "AdElmB8YcB1/XHxvKwbHsbVTfUHfb2ndtukitYIWIe4=", "Content-Md5": "mMqLHbv8THMVZ5WNZFjBYw==", "Content-Type": "application/json",
	} {
		if got.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Get(name), want)
		}
	}
	for _, name := range []string{"X-Amz-Trailer", "Content-Encoding", "X-Amz-Decoded-Content-Length"} {
		if got.Get(name) != "" {
			t.Errorf("%s: %q", name, got.Get(name))
		}
	}
}

func TestGetAnswers(t *testing.T) {
	t.Parallel()
	const object = "0123456789"
	tests := []struct {
		name   string
		answer func(w http.ResponseWriter)
		want   error
	}{
		{"whole", func(w http.ResponseWriter) { fmt.Fprint(w, object) }, nil},
		{"a range", func(w http.ResponseWriter) {
			w.Header().Set("Content-Range", "bytes 0-9/99")
			w.WriteHeader(http.StatusPartialContent)
			fmt.Fprint(w, object)
		}, bucket.ErrIncomplete},
		{"cut off", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "20")
			fmt.Fprint(w, object)
		}, bucket.ErrIncomplete},
		{"too large", func(w http.ResponseWriter) { fmt.Fprint(w, strings.Repeat(object, 5)) }, bucket.ErrTooLarge},
		{"too large, of unknown size", func(w http.ResponseWriter) {
			fmt.Fprint(w, object)
			_ = http.NewResponseController(w).Flush()
			fmt.Fprint(w, strings.Repeat(object, 5))
		}, bucket.ErrTooLarge},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			endpoint, counter := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Last-Modified", "Sun, 01 Nov 2026 10:00:00 GMT")
				test.answer(w)
			}))
			opened := openBucket(t, Options{Getenv: environment(endpoint)})
			got, err := opened.Get(t.Context(), testKey, 40)
			if !errors.Is(err, test.want) || err == nil && string(got.Body) != object || err != nil && got.Body != nil {
				t.Errorf("got %q, %v, want %v", got.Body, err, test.want)
			}
			counter.expect(t, "GET /backup/p/1.0/config.json")
		})
	}
}

// TestAWSHosts: AWS is reached by the names that the AWS SDKs and Kong use.
func TestAWSHosts(t *testing.T) {
	t.Parallel()
	for want, set := range map[string][]string{
		"backup.s3.us-east-1.amazonaws.com:443":           {},
		"backup.s3.eu-west-1.amazonaws.com:443":           {"AWS_REGION", "eu-west-1"},
		"s3.eu-west-1.amazonaws.com:443":                  {"AWS_CONFIG_STORAGE_ENDPOINT", "https://s3.eu-west-1.amazonaws.com"},
		"backup.s3.dualstack.eu-west-1.amazonaws.com:443": {"AWS_REGION", "eu-west-1", "AWS_USE_DUALSTACK_ENDPOINT", "true"},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			opened := openBucket(t, Options{Getenv: with(map[string]string{"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}, set...)})
			var got string
			opened.transport.Proxy = nil
			opened.transport.DialContext = func(_ context.Context, _, address string) (net.Conn, error) {
				got = address
				return nil, errors.New("not today")
			}
			if _, err := opened.Get(t.Context(), testKey, 1); err == nil || got != want {
				t.Errorf("dialled %s, error %v", got, err)
			}
		})
	}
}
