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
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func compress(t *testing.T, data []byte) []byte {
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
	zipped := compress(t, []byte(testTable))
	tests := []struct {
		name string
		give answer
		want error
	}{
		{"plain", answer{body: []byte(testTable)}, nil},
		{"gzip", answer{body: zipped}, nil},
		{"gzip by header", answer{body: zipped, header: map[string]string{"Content-Encoding": "gzip"}}, nil},
		{"checksum of what is stored", answer{body: zipped, header: map[string]string{
			"Content-Encoding": "gzip", "X-Amz-Meta-Blackout-Sha256": digest(zipped)}}, nil},
		{"right checksum in upper case", answer{body: []byte(`{}`), header: map[string]string{
			"X-Amz-Meta-Blackout-Sha256": strings.ToUpper(digest([]byte(`{}`)))}}, nil},
		{"wrong checksum", answer{body: []byte(testTable), header: map[string]string{"X-Amz-Meta-Blackout-Sha256": strings.Repeat("0", 64)}}, ErrCorrupt},
		{"cut off", answer{body: []byte(testTable), length: 100}, ErrIncomplete},
		{"a range", answer{status: 206, body: []byte(`{}`), header: map[string]string{"Content-Range": "bytes 0-1/9"}}, ErrIncomplete},
		{"empty", answer{body: nil}, ErrInvalid},
		{"array", answer{body: []byte(`[]`)}, ErrInvalid},
		{"half an object", answer{body: []byte(testTable[:20])}, ErrInvalid},
		{"object and more", answer{body: []byte(testTable + "{}")}, ErrInvalid},
		{"HTML", answer{body: []byte("<html>")}, ErrInvalid},
		{"cut gzip", answer{body: zipped[:len(zipped)-6]}, ErrCorrupt},
		{"gzip bomb", answer{body: compress(t, make([]byte, 1<<20))}, ErrTooLarge},
		{"too large", answer{body: bytes.Repeat([]byte(" "), 5000)}, ErrTooLarge},
		{"no key", xml(404, "NoSuchKey"), ErrNotFound},
		{"no bucket", xml(404, "NoSuchBucket"), ErrNotFound},
		{"denied", xml(403, "AccessDenied"), ErrDenied},
		{"unknown access key", xml(403, "InvalidAccessKeyId"), ErrDenied},
		{"busy", xml(503, "SlowDown"), ErrUnavailable},
		{"broken", xml(500, "InternalError"), ErrUnavailable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			store, counter := openStore(t, test.give)
			im := importer(store)
			im.MaxBytes = 4096
			snapshot, err := im.Import(t.Context())
			if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if err != nil && snapshot.ConfigTable != nil {
				t.Errorf("a part was returned: %q", snapshot.ConfigTable)
			}
			counter.expect(t, "GET /backup/p/1.0/config.json")
			if err != nil && strings.Contains(err.Error(), "root-password") {
				t.Error("the secret is in the error")
			}
		})
	}
}

func TestImportOfAnUnreachableStore(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	store, err := Open(t.Context(), "s3://backup/p", environment(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := importer(store).Import(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("error %v", err)
	}
}

// failingStore fails as often as told before it answers.
type failingStore struct{ failures, reads int }

func (s *failingStore) Get(context.Context, string, int64) (Object, error) {
	s.reads++
	if s.reads <= s.failures {
		return Object{}, ErrUnavailable
	}
	return Object{Body: []byte(testTable)}, nil
}

func (s *failingStore) Put(context.Context, string, []byte, Metadata) (string, error) {
	return "", ErrDenied
}

func (s *failingStore) Close() {}

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
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%d of %d", test.failures, test.attempts), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := &failingStore{failures: test.failures}
				im := importer(store)
				im.Attempts = test.attempts
				began := time.Now()
				_, err := im.Import(t.Context())
				if (err == nil) != test.ok || store.reads != test.reads || time.Since(began) != test.took {
					t.Errorf("%d reads in %v, error %v", store.reads, time.Since(began), err)
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
		im := importer(&failingStore{failures: 99})
		im.Attempts = 99
		if _, err := im.Import(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}

// stalledStore does not answer before the end of its context, which it then
// reports as a store does that had, or had not, begun to answer.
type stalledStore struct {
	failingStore
	began bool
}

func (s *stalledStore) Get(ctx context.Context, _ string, _ int64) (Object, error) {
	s.reads++
	<-ctx.Done()
	if s.began {
		return Object{}, fmt.Errorf("%w: after 7 bytes: %w", ErrIncomplete, ctx.Err())
	}
	return Object{}, ctx.Err()
}

func TestImportGivesAnAttemptUp(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		began   bool
		timeout time.Duration
		took    time.Duration // two attempts, with the wait between them
		want    error
	}{
		"silent":                {timeout: time.Second, took: 2500 * time.Millisecond, want: ErrUnavailable},
		"stalled":               {timeout: time.Second, took: 2500 * time.Millisecond, want: ErrIncomplete, began: true},
		"silent, default limit": {took: 60500 * time.Millisecond, want: ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				// Ends the test if the attempts do not end by themselves.
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				store := &stalledStore{began: test.began}
				im := importer(store)
				im.Attempts, im.Timeout = 2, test.timeout
				start := time.Now()
				_, err := im.Import(ctx)
				if !errors.Is(err, test.want) || store.reads != 2 || time.Since(start) != test.took {
					t.Errorf("%d reads in %s, error %v", store.reads, time.Since(start), err)
				}
			})
		})
	}
}

func TestImportOfABodyThatStalls(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	store, _ := openStore(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.Header().Set("Last-Modified", "Sun, 01 Nov 2026 10:00:00 GMT")
		_, _ = w.Write([]byte(testTable[:7]))
		_ = http.NewResponseController(w).Flush()
		<-release
	}))
	t.Cleanup(func() { close(release) }) // before the server's, which waits for its handlers
	im := importer(store)
	im.Timeout = 200 * time.Millisecond
	if _, err := im.Import(t.Context()); !errors.Is(err, ErrIncomplete) {
		t.Errorf("error %v", err)
	}
}
