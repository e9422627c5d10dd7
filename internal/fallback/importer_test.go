// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
	"blackout/internal/fallback/bucket/s3"
)

const (
	importKey = "p/1.0/config.json"
	importURL = "s3://backup/p/1.0/config.json"

	importTable = `{"_format_version":"3.0","services":[{"name":"a"}]}`
)

// asked counts what reaches a server, as "METHOD path".
type asked struct {
	next http.Handler

	mu   sync.Mutex
	seen []string
}

func (a *asked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.seen = append(a.seen, r.Method+" "+r.URL.Path)
	a.mu.Unlock()
	a.next.ServeHTTP(w, r)
}

func (a *asked) expect(t *testing.T, want ...string) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if fmt.Sprint(a.seen) != fmt.Sprint(want) {
		t.Errorf("requests %q, want %q", a.seen, want)
	}
}

// dialStore is the bucket "backup" of a store at an endpoint.
func dialStore(t *testing.T, endpoint string) bucket.Bucket {
	t.Helper()
	values := map[string]string{
		"AWS_ACCESS_KEY_ID": "reader", "AWS_SECRET_ACCESS_KEY": "reader-password", "AWS_CONFIG_STORAGE_ENDPOINT": endpoint,
	}
	opened, err := s3.Open(s3.Options{Bucket: "backup", Getenv: func(name string) string { return values[name] }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(opened.Close)
	return opened
}

// serveStore is a bucket whose store answers by the handler.
func serveStore(t *testing.T, handler http.Handler) (bucket.Bucket, *asked) {
	t.Helper()
	counter := &asked{next: handler}
	server := httptest.NewServer(counter)
	t.Cleanup(server.Close)
	return dialStore(t, server.URL), counter
}

func newImporter(from bucket.Bucket) *Importer {
	return &Importer{Bucket: from, Key: importKey, URL: importURL, Log: slog.New(slog.DiscardHandler)}
}

func compressed(t testing.TB, data []byte) []byte {
	t.Helper()
	var buffer bytes.Buffer
	writer := gzip.NewWriter(&buffer)
	if _, err := writer.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// answer is a store's reply to GET.
type answer struct {
	status int
	header map[string]string
	body   []byte
	length int // announced; 0: the body's own
}

func (a answer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Last-Modified", "Sun, 01 Nov 2026 10:00:00 GMT")
	w.Header().Set("Content-Length", fmt.Sprint(max(a.length, len(a.body))))
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	if _, err := w.Write(a.body); err != nil {
		panic(http.ErrAbortHandler)
	}
}

func TestImportAnswers(t *testing.T) {
	t.Parallel()
	xml := func(status int, code string) answer {
		return answer{status: status, body: []byte("<Error><Code>" + code + "</Code></Error>"), header: map[string]string{"Content-Type": "application/xml"}}
	}
	zipped := compressed(t, []byte(importTable))
	tests := []struct {
		name string
		give answer
		want error
	}{
		{"plain", answer{body: []byte(importTable)}, nil},
		{"gzip", answer{body: zipped}, nil},
		{"gzip by header", answer{body: zipped, header: map[string]string{"Content-Encoding": "gzip"}}, nil},
		{"checksum of what is stored", answer{body: zipped, header: map[string]string{
			"Content-Encoding": "gzip", "X-Amz-Meta-Blackout-Sha256": digest(zipped)}}, nil},
		{"right checksum in upper case", answer{body: []byte(`{}`), header: map[string]string{
			"X-Amz-Meta-Blackout-Sha256": strings.ToUpper(digest([]byte(`{}`)))}}, nil},
		{"wrong checksum", answer{body: []byte(importTable), header: map[string]string{"X-Amz-Meta-Blackout-Sha256": strings.Repeat("0", 64)}}, ErrCorrupt},
		{"cut off", answer{body: []byte(importTable), length: 100}, bucket.ErrIncomplete},
		{"a range", answer{status: 206, body: []byte(`{}`), header: map[string]string{"Content-Range": "bytes 0-1/9"}}, bucket.ErrIncomplete},
		{"empty", answer{body: nil}, ErrInvalid},
		{"array", answer{body: []byte(`[]`)}, ErrInvalid},
		{"half an object", answer{body: []byte(importTable[:20])}, ErrInvalid},
		{"object and more", answer{body: []byte(importTable + "{}")}, ErrInvalid},
		{"HTML", answer{body: []byte("<html>")}, ErrInvalid},
		{"cut gzip", answer{body: zipped[:len(zipped)-6]}, ErrCorrupt},
		{"gzip bomb", answer{body: compressed(t, make([]byte, 1<<20))}, bucket.ErrTooLarge},
		{"too large", answer{body: bytes.Repeat([]byte(" "), 5000)}, bucket.ErrTooLarge},
		{"denied", xml(403, "AccessDenied"), bucket.ErrDenied},
		{"unknown access key", xml(403, "InvalidAccessKeyId"), bucket.ErrDenied},
		{"busy", xml(503, "SlowDown"), bucket.ErrUnavailable},
		{"broken", xml(500, "InternalError"), bucket.ErrUnavailable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			store, counter := serveStore(t, test.give)
			im := newImporter(store)
			im.MaxBytes = 4096
			snapshot, err := im.Import(t.Context())
			if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if err != nil && snapshot.ConfigTable != nil {
				t.Errorf("a part was returned: %q", snapshot.ConfigTable)
			}
			counter.expect(t, "GET /backup/"+importKey)
			if err == nil {
				return
			}
			if text := err.Error(); !strings.Contains(text, importURL) || strings.Contains(text, "\n") || strings.Contains(text, "reader-password") {
				t.Errorf("not one line that names the object and no secret: %q", text)
			}
			if test.name == "too large" && !strings.Contains(err.Error(), "blackout_fallback_max_size") {
				t.Errorf("it is not said what sets the limit: %v", err)
			}
		})
	}
}

func TestImportOfAnUnreachableStore(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	store := dialStore(t, server.URL)
	if _, err := newImporter(store).Import(t.Context()); !errors.Is(err, bucket.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
}

// failing is a bucket that fails as often as told before it answers.
func failing(times int, with error) *buckettest.Memory {
	reads := 0
	m := &buckettest.Memory{Before: func(_ context.Context, call buckettest.Call) error {
		if call.Kind != "get" {
			return nil
		}
		if reads++; reads <= times {
			return with
		}
		return nil
	}}
	if _, err := m.Put(context.Background(), importKey, bucket.BodyOf([]byte(importTable)), bucket.PutOptions{}); err != nil {
		panic(err)
	}
	return m
}

// reads are the requests to a bucket that holds what a test put there.
func reads(m *buckettest.Memory) []string {
	var out []string
	for _, call := range m.Calls() {
		if !strings.HasPrefix(call, "put ") {
			out = append(out, call)
		}
	}
	return out
}

func TestImportAttempts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		attempts, failures, reads int
		took                      time.Duration
		ok                        bool
	}{
		{attempts: 0, failures: 1, reads: 1, ok: false},
		{attempts: 1, failures: 0, reads: 1, ok: true},
		{attempts: 3, failures: 2, reads: 3, took: 1500 * time.Millisecond, ok: true},
		{attempts: 3, failures: 9, reads: 3, took: 1500 * time.Millisecond, ok: false},
		{attempts: 40, failures: 99, reads: 40, took: 31500*time.Millisecond + 33*30*time.Second, ok: false},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%d of %d", test.failures, test.attempts), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := failing(test.failures, bucket.ErrUnavailable)
				im := newImporter(store)
				im.Attempts = test.attempts
				began := time.Now()
				_, err := im.Import(t.Context())
				if (err == nil) != test.ok || len(reads(store)) != test.reads || time.Since(began) != test.took {
					t.Errorf("requests %q in %v, error %v", reads(store), time.Since(began), err)
				}
			})
		})
	}
}

func TestImportStopsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		im := newImporter(failing(99, bucket.ErrUnavailable))
		im.Attempts = 99
		_, err := im.Import(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, bucket.ErrUnavailable) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %q", err)
		}
	})
}

// stalled is a bucket that does not answer before the end of the request's
// context, which it then reports as one does that had, or had not, begun to.
func stalled(began bool) *buckettest.Memory {
	return &buckettest.Memory{Before: func(ctx context.Context, _ buckettest.Call) error {
		<-ctx.Done()
		if began {
			return fmt.Errorf("%w: after 7 bytes: %w", bucket.ErrIncomplete, ctx.Err())
		}
		return ctx.Err()
	}}
}

func TestImportGivesAnAttemptUp(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		began   bool
		timeout time.Duration
		took    time.Duration // two attempts, with the wait between them
		want    error
	}{
		"silent":                {timeout: time.Second, took: 2500 * time.Millisecond, want: bucket.ErrUnavailable},
		"stalled":               {timeout: time.Second, took: 2500 * time.Millisecond, want: bucket.ErrIncomplete, began: true},
		"silent, default limit": {took: 60500 * time.Millisecond, want: bucket.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				// Ends the test if the attempts do not end by themselves.
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				store := stalled(test.began)
				im := newImporter(store)
				im.Attempts, im.Timeout = 2, test.timeout
				start := time.Now()
				_, err := im.Import(ctx)
				if !errors.Is(err, test.want) || len(reads(store)) != 2 || time.Since(start) != test.took {
					t.Errorf("requests %q in %s, error %v", reads(store), time.Since(start), err)
				}
			})
		})
	}
}

func TestImportOfABodyThatStalls(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	store, _ := serveStore(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.Header().Set("Last-Modified", "Sun, 01 Nov 2026 10:00:00 GMT")
		_, _ = w.Write([]byte(importTable[:7]))
		_ = http.NewResponseController(w).Flush()
		<-release
	}))
	t.Cleanup(func() { close(release) }) // before the server's, which waits for its handlers
	im := newImporter(store)
	im.Timeout = 200 * time.Millisecond
	if _, err := im.Import(t.Context()); !errors.Is(err, bucket.ErrIncomplete) {
		t.Errorf("error %v", err)
	}
}

// What a caller accepts is not looked at again, and what it does not accept is
// judged as without it.
func TestImportOfWhatTheCallerParses(t *testing.T) {
	t.Parallel()
	broken := importTable[:20]
	for name, test := range map[string]struct {
		stored  string
		accepts bool
		asked   []string
		want    error
	}{
		"accepted":              {stored: importTable, accepts: true, asked: []string{importTable}},
		"accepted unseen":       {stored: broken, accepts: true, asked: []string{broken}},
		"refused, but complete": {stored: importTable, asked: []string{importTable}},
		"refused, as it should": {stored: broken, asked: []string{broken}, want: ErrInvalid},
		"nothing to parse":      {stored: "[]", accepts: true, want: ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, _ := serveStore(t, answer{body: []byte(test.stored)})
			im, asked := newImporter(store), []string(nil)
			im.Accept = func(table []byte) bool {
				asked = append(asked, string(table))
				return test.accepts
			}
			snapshot, err := im.Import(t.Context())
			if !errors.Is(err, test.want) || err == nil && string(snapshot.ConfigTable) != test.stored {
				t.Errorf("%q, error %v, want %v", snapshot.ConfigTable, err, test.want)
			}
			if !slices.Equal(asked, test.asked) {
				t.Errorf("asked about %q, want %q", asked, test.asked)
			}
		})
	}
}
