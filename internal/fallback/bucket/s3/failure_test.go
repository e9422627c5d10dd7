// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"blackout/internal/fallback/bucket"
)

// refusal is a store's error answer to everything.
type refusal struct {
	status  int
	code    string
	message string
	header  map[string]string
	region  string // of the error document
	body    string // instead of an error document
}

func (r refusal) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	_, _ = io.Copy(io.Discard, request.Body)
	for name, value := range r.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(r.status)
	if r.body != "" || r.code == "" {
		fmt.Fprint(w, r.body)
		return
	}
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message><Region>%s</Region></Error>", r.code, r.message, r.region)
}

func TestRefusalsNameCauseAndRemedy(t *testing.T) {
	t.Parallel()
	ahead := time.Now().Add(23 * time.Minute).UTC().Format(http.TimeFormat)
	tests := []struct {
		name string
		give refusal
		kind error
		want string // in the error
	}{
		{"no bucket", refusal{status: 404, code: "NoSuchBucket"}, bucket.ErrNotFound, "create the bucket"},
		{"no object", refusal{status: 404, code: "NoSuchKey"}, bucket.ErrNotFound, "NoSuchKey (status 404)"},
		{"not found, by a proxy", refusal{status: 404, body: "<html>"}, bucket.ErrNotFound, "status 404"},
		{"denied", refusal{status: 403, code: "AccessDenied", message: "not authorized to perform: s3:PutObject\non resource"},
			bucket.ErrDenied, "AccessDenied (status 403): not authorized to perform: s3:PutObject on resource; give the node's credentials the right"},
		{"unknown access key", refusal{status: 403, code: "InvalidAccessKeyId"}, bucket.ErrDenied, "correct AWS_ACCESS_KEY_ID"},
		{"wrong secret", refusal{status: 403, code: "SignatureDoesNotMatch"}, bucket.ErrDenied, "correct AWS_SECRET_ACCESS_KEY"},
		{"expired token", refusal{status: 400, code: "ExpiredToken"}, bucket.ErrDenied, "AWS_SESSION_TOKEN has expired or is not valid; start the node with new credentials"},
		{"expired token of MinIO", refusal{status: 403, code: "InvalidTokenId"}, bucket.ErrDenied, "AWS_SESSION_TOKEN has expired"},
		{"skewed clock", refusal{status: 403, code: "RequestTimeTooSkewed", header: map[string]string{"Date": ahead}}, bucket.ErrDenied, "s behind the store's; synchronise it"},
		{"skewed clock, by how much is unknown", refusal{status: 403, code: "RequestTimeTooSkewed"}, bucket.ErrDenied, "clock and the store's differ by more than"},
		{"wrong region", refusal{status: 400, code: "AuthorizationHeaderMalformed", region: "eu-west-1"}, bucket.ErrRefused, "the bucket is in region eu-west-1, the request was for us-east-1: set AWS_REGION=eu-west-1"},
		{"redirect", refusal{status: 301, code: "PermanentRedirect", header: map[string]string{"X-Amz-Bucket-Region": "eu-west-1"}}, bucket.ErrRefused, "set AWS_REGION=eu-west-1"},
		{"redirect without a region", refusal{status: 307, header: map[string]string{"Location": "https://elsewhere.example/"}}, bucket.ErrRefused, "not in region us-east-1: set AWS_REGION to its region"},
		{"condition", refusal{status: 412, code: "PreconditionFailed"}, bucket.ErrConflict, "PreconditionFailed"},
		{"condition, concurrently", refusal{status: 409, code: "ConditionalRequestConflict"}, bucket.ErrConflict, "ConditionalRequestConflict"},
		{"busy bucket", refusal{status: 409, code: "OperationAborted"}, bucket.ErrUnavailable, "another operation"},
		{"too many requests", refusal{status: 429, body: "slow down"}, bucket.ErrUnavailable, "status 429"},
		{"slow down", refusal{status: 503, code: "SlowDown"}, bucket.ErrUnavailable, "too many requests"},
		{"failed", refusal{status: 500, code: "InternalError"}, bucket.ErrUnavailable, "InternalError"},
		{"proxy without a store", refusal{status: 502, body: "<html>"}, bucket.ErrUnavailable, "502 Bad Gateway"},
		{"no such feature", refusal{status: 501, code: "NotImplemented"}, bucket.ErrRefused, "or conditional writes"},
		{"bad storage class", refusal{status: 400, code: "InvalidStorageClass"}, bucket.ErrRefused, "correct cluster_fallback_export_s3_config"},
		{"disabled key", refusal{status: 400, code: "KMS.DisabledException"}, bucket.ErrRefused, "see whether the key SSEKMSKeyId"},
		{"http to an https store", refusal{status: 400, body: "Client sent an HTTP request to an HTTPS server."}, bucket.ErrRefused, "write https:// in AWS_CONFIG_STORAGE_ENDPOINT"},
		{"archived", refusal{status: 403, code: "InvalidObjectState"}, bucket.ErrRefused, "restore it"},
		{"anything else", refusal{status: 400, code: "Strange"}, bucket.ErrRefused, "Strange (status 400)"},
		{"a text of many lines", refusal{status: 403, code: "A\nB", message: strings.Repeat("long\n", 200)}, bucket.ErrDenied, "A B (status 403): long long"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			endpoint, counter := serve(t, test.give)
			opened := openBucket(t, Options{Getenv: environment(endpoint, "AWS_SESSION_TOKEN", "session-token")})
			_, errGet := opened.Get(t.Context(), testKey, 100)
			_, errPut := opened.Put(t.Context(), testKey, bucket.BodyOf([]byte("x")), bucket.PutOptions{})
			for operation, err := range map[string]error{"get": errGet, "put": errPut} {
				if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s: %v, want %v with %q", operation, err, test.kind, test.want)
					continue
				}
				expectFit(t, err, operation+" s3://backup/"+testKey+": ")
			}
			counter.expect(t, "GET /backup/"+testKey, "PUT /backup/"+testKey)
		})
	}
}

// expectFit checks that an error is one line of bearable length, without secrets.
func expectFit(t *testing.T, err error, prefix string) {
	t.Helper()
	text := err.Error()
	if !strings.HasPrefix(text, prefix) || strings.Contains(text, "\n") || len(text) > 700 {
		t.Errorf("not one line that begins with %q: %q", prefix, text)
	}
	for _, secret := range []string{rootPass, "session-token", "Signature="} {
		if strings.Contains(text, secret) {
			t.Errorf("a secret is in the error: %q", text)
		}
	}
}

// TestAnswersThatEchoTheRequest: a page that repeats the request's headers, as some
// proxies' do, is not repeated in the error.
func TestAnswersThatEchoTheRequest(t *testing.T) {
	t.Parallel()
	endpoint, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		_ = r.Header.Write(w)
	}))
	opened := openBucket(t, Options{Getenv: environment(endpoint, "AWS_SESSION_TOKEN", "session-token")})
	_, err := opened.Get(t.Context(), testKey, 100)
	if !errors.Is(err, bucket.ErrUnavailable) {
		t.Fatalf("error %v", err)
	}
	expectFit(t, err, "get s3://backup/")
}

func TestBusyStoreSaysForHowLong(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		header string
		want   time.Duration
		told   bool
	}{
		"not said": {}, "nonsense": {header: "soon"},
		"seconds": {header: "120", want: 2 * time.Minute, told: true},
		"a date":  {header: "Sun, 01 Nov 2026 11:00:00 GMT", want: time.Hour, told: true},
		"past":    {header: "Sun, 01 Nov 2020 10:00:00 GMT", told: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endpoint, _ := serve(t, refusal{status: 503, code: "SlowDown", header: map[string]string{
				"Retry-After": test.header, "Date": "Sun, 01 Nov 2026 10:00:00 GMT"}})
			opened := openBucket(t, Options{Getenv: environment(endpoint)})
			_, err := opened.Put(t.Context(), testKey, bucket.BodyOf([]byte("x")), bucket.PutOptions{})
			busy, told := errors.AsType[bucket.BusyError](err)
			if !errors.Is(err, bucket.ErrUnavailable) || told != test.told || busy.After != test.want {
				t.Errorf("error %v, told %v %s", err, told, busy.After)
			}
		})
	}
}

func TestUnansweredRequests(t *testing.T) {
	t.Parallel()
	quiet := slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = quiet
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	closing := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(closing.Close)
	for name, test := range map[string]struct{ endpoint, want string }{
		"unknown CA":            {untrusted.URL, "name its file by AWS_CA_BUNDLE or SSL_CERT_FILE"},
		"https to a http store": {"https" + strings.TrimPrefix(plain.URL, "http"), "write http:// in AWS_CONFIG_STORAGE_ENDPOINT"},
		"refused":               {gone.URL, "connection refused; nothing listens there: check AWS_CONFIG_STORAGE_ENDPOINT"},
		"closed":                {closing.URL, closing.URL},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opened := openBucket(t, Options{Getenv: environment(test.endpoint)})
			_, err := opened.Get(t.Context(), testKey, 100)
			if !errors.Is(err, bucket.ErrUnavailable) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.endpoint) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			expectFit(t, err, "get s3://backup/"+testKey+": the store is unavailable: ")
		})
	}
}

// A proxy that is not reached is not taken for the store.
func TestUnreachedProxy(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	proxy, err := url.Parse(strings.Replace(gone.URL, "://", "://me:s3cret@", 1))
	if err != nil {
		t.Fatal(err)
	}
	opened := openBucket(t, Options{Getenv: environment("https://store.example:9000")})
	opened.transport.Proxy = http.ProxyURL(proxy)
	_, err = opened.Get(t.Context(), testKey, 100)
	if !errors.Is(err, bucket.ErrUnavailable) || !strings.Contains(err.Error(), "; the proxy of HTTP_PROXY or HTTPS_PROXY is not reached") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("error %v", err)
	}
}

func TestTheContextsEndIsNoFailureOfTheStore(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	endpoint, _ := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	}))
	opened := openBucket(t, Options{Getenv: environment(endpoint)})
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { <-asked; cancel(nil) }()
	if _, err := opened.Get(ctx, testKey, 100); !errors.Is(err, context.Canceled) || errors.Is(err, bucket.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
}

// TestALargeBodyIsDeniedInTime: a store that denies an upload does not read it, and its
// answer must not be lost for that.
func TestALargeBodyIsDeniedInTime(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, large - 1, large, 32 << 20} {
		endpoint, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `<Error><Code>AccessDenied</Code></Error>`)
		}))
		opened := openBucket(t, Options{Getenv: environment(endpoint)})
		if _, err := opened.Put(t.Context(), testKey, bucket.BodyOf(make([]byte, size)), bucket.PutOptions{}); !errors.Is(err, bucket.ErrDenied) {
			t.Errorf("%d bytes: error %v", size, err)
		}
	}
}

// TestAStoreThatCannotBeAsked: what refuses to be asked is sent the body unasked.
func TestAStoreThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte("x"), 1<<20)
	endpoint, counter := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Expect") != "" {
			w.WriteHeader(http.StatusExpectationFailed)
			return
		}
		if got, err := io.ReadAll(r.Body); err != nil || !bytes.Equal(got, body) {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
		w.Header().Set("ETag", `"v"`)
	}))
	opened := openBucket(t, Options{Getenv: environment(endpoint)})
	version, err := opened.Put(t.Context(), testKey, bucket.BodyOf(body), bucket.PutOptions{})
	if requests := counter.take(); err != nil || version != "v" || len(requests) != 2 {
		t.Errorf("version %q, %v, requests %q", version, err, requests)
	}
}
