// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"blackout/internal/fallback"
	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/hybrid"
	"blackout/internal/gateway/store"
	"blackout/internal/gateway/storetest"
)

// A change and the end may be seen in either order; whichever is first, the
// change reaches the exporter.
func TestAChangeIsExportedAlthoughTheNodeEnds(t *testing.T) {
	t.Parallel()
	db, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "blackout.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	log := slog.New(slog.DiscardHandler)
	cp := &controlPlane{
		node: &Node{log: log, options: Options{Config: &conf.Config{}}},
		db:   db, server: hybrid.NewServer(hybrid.ServerOptions{Log: log}),
		// It is not run: what it is offered stays pending.
		backup: backup{exporter: fallback.NewExporter(fallback.ExporterOptions{Log: log})},
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for n := range 20 {
		record := entity.Record{"name": fmt.Sprint("s", n), "host": "h"}
		if record, err = entity.Services.Complete(record); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Create(t.Context(), entity.Services, record); err != nil {
			t.Fatal(err)
		}
		table, err := storetest.Export(t.Context(), db, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := cp.publishChanges(ended); err != nil {
			t.Fatal(err)
		}
		if got, want := cp.backup.exporter.Status().PendingHash, entity.Hash(table.Table).Config; got != want {
			t.Fatalf("after %d changes %q is pending, want %q", n+1, got, want)
		}
	}
}
