// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback_test

import (
	"log/slog"
	"net/http/httptest"
	"testing"

	"blackout/internal/fallback"
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
	makeBucket(t, endpoint)
	store, err := openExportBucket(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	exportThrough(t, store, 2)
	snapshot, err := (&fallback.Importer{Bucket: store, Key: exportKey, Log: slog.New(slog.DiscardHandler)}).Import(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if snapshot.Version == "" || snapshot.Modified.IsZero() || snapshot.Noted.Hash != "2" || snapshot.Noted.Exporter != "node-1" || snapshot.Noted.Time.IsZero() {
		t.Errorf("version %q, modified %v, noted %+v", snapshot.Version, snapshot.Modified, snapshot.Noted)
	}
	object, err := store.Get(t.Context(), exportKey, fallback.DefaultMaxBytes)
	if err != nil {
		t.Fatal(err)
	}
	if generation, err := readGeneration(object); err != nil || generation != 2 || string(object.Body) != string(snapshot.ConfigTable) {
		t.Errorf("generation %d, %v", generation, err)
	}
}
