// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"blackout/internal/fallback"
	"blackout/internal/fallback/bucket/s3"
	"blackout/internal/miniotest"
	"blackout/internal/s3server"
	"blackout/internal/versitytest"
)

// TestSnapshotRoundTrip: what is offered to an exporter is what an importer gets,
// with the real client, through servers that verify what it sends.
func TestSnapshotRoundTrip(t *testing.T) {
	t.Parallel()
	server, err := s3server.New(s3server.Options{Dir: t.TempDir(), RootUser: miniotest.User, RootPassword: miniotest.Password, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	listening := httptest.NewServer(server)
	t.Cleanup(listening.Close)
	roundTrip(t, listening.URL)
}

func TestSnapshotRoundTripOnMinIO(t *testing.T) {
	t.Parallel()
	roundTrip(t, "http://"+miniotest.Start(t))
}

func TestSnapshotRoundTripOnVersity(t *testing.T) {
	t.Parallel()
	roundTrip(t, versitytest.Start(t, nil).Endpoint)
}

// roundTrip has the root account of miniotest and versitytest, which are alike.
func roundTrip(t *testing.T, endpoint string) {
	t.Helper()
	values := map[string]string{"AWS_ACCESS_KEY_ID": miniotest.User, "AWS_SECRET_ACCESS_KEY": miniotest.Password, "AWS_CONFIG_STORAGE_ENDPOINT": endpoint}
	store, err := s3.Open(s3.Options{Bucket: "backup", Getenv: func(name string) string { return values[name] }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	if err := store.Administration().Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	const key, table = "p/1.0/config.json", `{"_format_version":"3.0","services":[{"name":"ü"}]}`
	quiet := slog.New(slog.DiscardHandler)
	exporter := fallback.NewExporter(fallback.ExporterOptions{Bucket: store, Key: key, Delay: time.Hour, NodeID: "cp-1", Log: quiet})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- exporter.Run(ctx) }()
	exporter.Online(true)
	exporter.Offer([]byte(`{"_format_version":"3.0","services":[{"name":"old"}]}`), "old", 0)
	exporter.Offer([]byte(table), "new", 0)
	stop() // what is pending is uploaded on the way out
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	snapshot, err := (&fallback.Importer{Bucket: store, Key: key, Log: quiet}).Import(t.Context())
	_, imported, _ := strings.Cut(string(snapshot.ConfigTable), ",") // after the comment
	if err != nil || "{"+imported != table || snapshot.Version == "" || snapshot.Modified.IsZero() {
		t.Errorf("imported %q, version %q, modified %v, %v", snapshot.ConfigTable, snapshot.Version, snapshot.Modified, err)
	}
	info, err := store.Head(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if noted := fallback.ReadBookkeeping(info); noted.Hash != "new" || noted.Exporter != "cp-1" || len(noted.SHA256) != 64 || noted.Time.IsZero() {
		t.Errorf("noted: %+v", noted)
	}
}
