// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"blackout/internal/s3server"

	"github.com/minio/minio-go/v7"
)

const testTable = `{"_format_version":"3.0","services":[{"name":"a"}]}`

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

func environment(endpoint string) func(string) string {
	values := map[string]string{
		"AWS_ACCESS_KEY_ID": "root-user", "AWS_SECRET_ACCESS_KEY": "root-password", "AWS_CONFIG_STORAGE_ENDPOINT": endpoint,
	}
	return func(name string) string { return values[name] }
}

func openStore(t *testing.T, handler http.Handler) (Store, *requests) {
	t.Helper()
	counter := &requests{}
	server := httptest.NewServer(counter.around(handler))
	t.Cleanup(server.Close)
	store, err := Open(t.Context(), "s3://backup/p", environment(server.URL+"/"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store, counter
}

// realStore is a store on the embedded S3 server, with its bucket made.
func realStore(t *testing.T) (Store, *requests) {
	t.Helper()
	server, err := s3server.New(s3server.Options{Dir: t.TempDir(), RootUser: "root-user", RootPassword: "root-password", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	store, counter := openStore(t, server)
	if err := store.(*s3Store).core.MakeBucket(t.Context(), "backup", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	counter.take()
	return store, counter
}

func importer(store Store) *Importer {
	return &Importer{Store: store, Key: "p/1.0/config.json", Log: slog.New(slog.DiscardHandler)}
}

func TestSnapshotMakesTheRoundTripInTwoRequests(t *testing.T) {
	t.Parallel()
	store, counter := realStore(t)
	sent := Metadata{Hash: "h1", Time: time.Now().UTC(), Exporter: "cp-1"}
	etag, err := store.Put(t.Context(), "p/1.0/config.json", []byte(testTable), sent)
	if err != nil {
		t.Fatal(err)
	}
	counter.expect(t, "PUT /backup/p/1.0/config.json")

	snapshot, err := importer(store).Import(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	counter.expect(t, "GET /backup/p/1.0/config.json")
	if string(snapshot.ConfigTable) != testTable || snapshot.ETag != etag || snapshot.Modified.IsZero() {
		t.Errorf("snapshot %q %q %v, etag %q", snapshot.ConfigTable, snapshot.ETag, snapshot.Modified, etag)
	}
	object, err := store.Get(t.Context(), "p/1.0/config.json", DefaultMaxBytes)
	if err != nil {
		t.Fatal(err)
	}
	if got := object.Metadata; got.Hash != sent.Hash || !got.Time.Equal(sent.Time) || got.Exporter != sent.Exporter || len(got.SHA256) != 64 {
		t.Errorf("metadata %+v, sent %+v", got, sent)
	}
}

func TestExporterAndImporterTogether(t *testing.T) {
	t.Parallel()
	store, _ := realStore(t)
	exporter := NewExporter(ExporterOptions{Store: store, Key: "p/1.0/config.json", Delay: time.Hour, Log: slog.New(slog.DiscardHandler)})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- exporter.Run(ctx) }()
	exporter.Offer([]byte(`{"services":[{"name":"old"}]}`), "old")
	exporter.Offer([]byte(testTable), "new")
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	snapshot, err := importer(store).Import(t.Context())
	if err != nil || string(snapshot.ConfigTable) != testTable {
		t.Errorf("imported %q, %v", snapshot.ConfigTable, err)
	}
}

func TestCertificateIsVerified(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(answer{body: []byte(testTable)})
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	server.StartTLS()
	defer server.Close()
	store, err := Open(t.Context(), "s3://backup/p", environment(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	_, err = importer(store).Import(t.Context())
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok || !errors.Is(err, ErrUnavailable) {
		t.Errorf("error %v", err)
	}
}

func TestPutAsksForEncryptionAndChecksIt(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, config, answer string
		asked, key           string
		want                 error
	}{
		{"none", "", "", "", "", nil},
		{"SSE-S3", `{"ServerSideEncryption":"AES256"}`, "AES256", "AES256", "", nil},
		{"SSE-KMS", `{"ServerSideEncryption":"aws:kms","SSEKMSKeyId":"k1"}`, "aws:kms", "aws:kms", "k1", nil},
		{"ignored by the store", `{"ServerSideEncryption":"aws:kms","SSEKMSKeyId":"k1"}`, "", "aws:kms", "k1", ErrNotEncrypted},
		{"weaker than asked", `{"ServerSideEncryption":"aws:kms","SSEKMSKeyId":"k1"}`, "AES256", "aws:kms", "k1", ErrNotEncrypted},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var asked http.Header
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = r.Header
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					return
				}
				if test.answer != "" {
					w.Header().Set("X-Amz-Server-Side-Encryption", test.answer)
				}
			}))
			defer server.Close()
			store, err := Open(t.Context(), "s3://backup/p", environment(server.URL), WithS3Config(test.config))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := store.Put(t.Context(), "k", []byte(testTable), Metadata{}); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if got := asked.Get("X-Amz-Server-Side-Encryption"); got != test.asked {
				t.Errorf("asked for %q", got)
			}
			if got := asked.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"); got != test.key {
				t.Errorf("asked for key %q", got)
			}
		})
	}
}

func TestOpenRefusesHalfAnEnvironment(t *testing.T) {
	t.Parallel()
	full := map[string]string{"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_CONFIG_STORAGE_ENDPOINT": "https://store:9000/"}
	tests := []struct {
		name, set, value string
		ok               bool
	}{
		{"full", "", "", true},
		{"no secret", "AWS_SECRET_ACCESS_KEY", "", false},
		{"no access key", "AWS_ACCESS_KEY_ID", "", false},
		{"endpoint without scheme", "AWS_CONFIG_STORAGE_ENDPOINT", "store:9000", false},
		{"endpoint with credentials", "AWS_CONFIG_STORAGE_ENDPOINT", "http://me:secret@store", false},
		{"endpoint with path", "AWS_CONFIG_STORAGE_ENDPOINT", "http://store/path", false},
		{"AWS itself", "AWS_CONFIG_STORAGE_ENDPOINT", "", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			getenv := func(name string) string {
				if name == test.set {
					return test.value
				}
				return full[name]
			}
			store, err := Open(t.Context(), "s3://backup/p", getenv)
			if (err == nil) != test.ok {
				t.Errorf("error %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "secret@") {
				t.Error("the secret is in the error")
			}
			if store != nil {
				store.Close()
			}
		})
	}
}
