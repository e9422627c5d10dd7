// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"blackout/internal/fallback"
	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
	"blackout/internal/fallback/bucket/s3"
	"blackout/internal/miniotest"
	"blackout/internal/s3server"
)

const (
	exportBucket = "backup"
	exportKey    = "p/3.9.1/config.json"
)

// exportStores are the real stores, each behind a handler that may look into the
// requests.
func exportStores() map[string]func(t *testing.T) http.Handler {
	return map[string]func(t *testing.T) http.Handler{
		"s3server": func(t *testing.T) http.Handler {
			t.Helper()
			server, err := s3server.New(s3server.Options{Dir: t.TempDir(), RootUser: miniotest.User, RootPassword: miniotest.Password, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			return server
		},
		"minio": func(t *testing.T) http.Handler {
			t.Helper()
			proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: miniotest.Start(t)})
			proxy.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo) // clients die on purpose
			return proxy
		},
	}
}

func serveStore(t *testing.T, store http.Handler) (endpoint string) {
	t.Helper()
	server := httptest.NewServer(store)
	t.Cleanup(server.Close)
	return server.URL
}

func makeBucket(t *testing.T, endpoint string) {
	t.Helper()
	client, err := minio.New(strings.TrimPrefix(endpoint, "http://"), &minio.Options{Creds: credentials.NewStaticV4(miniotest.User, miniotest.Password, "")})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.MakeBucket(t.Context(), exportBucket, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
}

func openExportBucket(endpoint string) (bucket.Bucket, error) {
	environment := map[string]string{
		"AWS_ACCESS_KEY_ID": miniotest.User, "AWS_SECRET_ACCESS_KEY": miniotest.Password, "AWS_CONFIG_STORAGE_ENDPOINT": endpoint,
	}
	return s3.Open(s3.Options{Bucket: exportBucket, Getenv: func(name string) string { return environment[name] }})
}

// generationTable is a config_table of about so many bytes that tells its
// generation at its beginning and its end.
func generationTable(generation, size int) []byte {
	name := strconv.Itoa(generation)
	return []byte(`{"_format_version":"3.0","services":[{"name":"` + name + `","path":"/` + strings.Repeat("x", size) + `","tags":["` + name + `"]}]}`)
}

// readGeneration checks that an object is a complete snapshot, and says which.
func readGeneration(object bucket.Object) (int, error) {
	noted := fallback.ReadBookkeeping(object.Info)
	sum := sha256.Sum256(object.Body)
	if got := hex.EncodeToString(sum[:]); got != noted.SHA256 {
		return 0, fmt.Errorf("torn: the checksum of %d bytes is %s, its exporter noted %s", len(object.Body), got, noted.SHA256)
	}
	var table struct {
		Comment  string `json:"_comment"`
		Services []struct {
			Name string   `json:"name"`
			Tags []string `json:"tags"`
		} `json:"services"`
	}
	if err := json.Unmarshal(object.Body, &table); err != nil {
		return 0, fmt.Errorf("torn: %w", err)
	}
	if len(table.Services) != 1 || len(table.Services[0].Tags) != 1 || table.Services[0].Name != table.Services[0].Tags[0] {
		return 0, errors.New("torn: its beginning is not of its end's generation")
	}
	if !strings.Contains(table.Comment, "epoch="+noted.Epoch.String()+" ") || noted.Hash != table.Services[0].Name {
		return 0, fmt.Errorf("the comment %q is not of the metadata %+v", table.Comment, noted)
	}
	return strconv.Atoi(noted.Hash)
}

// newExporter makes an exporter of generations.
func newExporter(store bucket.Bucket, options fallback.ExporterOptions) *fallback.Exporter {
	options.Bucket, options.Key, options.NodeID = store, exportKey, "node-1"
	options.Log = slog.New(slog.DiscardHandler)
	return fallback.NewExporter(options)
}

// awaitStatus waits until an exporter has exported a generation.
func awaitExported(t *testing.T, exporter *fallback.Exporter, generation int) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	deadline := time.After(time.Minute)
	for exporter.Status().ExportedHash != strconv.Itoa(generation) {
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("generation %d was not exported: %+v", generation, exporter.Status())
		}
	}
}

// TestReaderNeverSeesAMissingOrTornSnapshot polls the snapshot during a thousand
// exports.
func TestReaderNeverSeesAMissingOrTornSnapshot(t *testing.T) {
	t.Parallel()
	stores := map[string]func(t *testing.T) bucket.Bucket{
		"memory": func(*testing.T) bucket.Bucket { return &buckettest.Memory{} },
	}
	for name, store := range exportStores() {
		stores[name] = func(t *testing.T) bucket.Bucket {
			t.Helper()
			endpoint := serveStore(t, store(t))
			makeBucket(t, endpoint)
			opened, err := openExportBucket(endpoint)
			if err != nil {
				t.Fatal(err)
			}
			return opened
		}
	}
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t)
			t.Cleanup(store.Close)
			const exports = 1000
			looks := pollWhile(t, store, func() { exportThrough(t, store, exports) })
			t.Logf("%d looks during %d exports", looks, exports)
			if looks < 100 {
				t.Errorf("only %d looks during %d exports", looks, exports)
			}
		})
	}
}

// exportThrough exports generations 1 to last, each of them.
func exportThrough(t *testing.T, store bucket.Bucket, last int) {
	t.Helper()
	exporter := newExporter(store, fallback.ExporterOptions{})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- exporter.Run(ctx) }()
	exporter.Online(true)
	for generation := 1; generation <= last; generation++ {
		exporter.Offer(generationTable(generation, 20_000), strconv.Itoa(generation), exporter.Mark())
		awaitExported(t, exporter, generation)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// pollWhile reads the snapshot all the while, and says how often it found one.
// Once there was one there always is, whole, and never an older one.
func pollWhile(t *testing.T, store bucket.Bucket, work func()) (looks int) {
	t.Helper()
	var over atomic.Bool
	reading := make(chan error, 1)
	go func() {
		newest := 0
		for !over.Load() {
			object, err := store.Get(context.Background(), exportKey, fallback.DefaultMaxBytes)
			if errors.Is(err, bucket.ErrNotFound) && newest == 0 {
				continue
			}
			generation := 0
			if err == nil {
				generation, err = readGeneration(object)
			}
			if err == nil && generation < newest {
				err = fmt.Errorf("generation %d after %d", generation, newest)
			}
			if err != nil {
				reading <- fmt.Errorf("look %d: %w", looks+1, err)
				return
			}
			newest = generation
			looks++
		}
		reading <- nil
	}()
	work()
	over.Store(true)
	if err := <-reading; err != nil {
		t.Error(err)
	}
	return looks
}
