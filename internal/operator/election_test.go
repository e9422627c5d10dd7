// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"blackout/internal/fallback"
	"blackout/internal/fallback/election"
	"blackout/internal/operator"
)

// TestBackupNodeAfterReplace: a backup node that leads while somebody replaces its snapshot
// by hand writes again what its control plane says, in a term above that.
func TestBackupNodeAfterReplace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, memory := seeded(t, declared)
		ctx, cancel := context.WithCancel(t.Context())
		asked := make(chan struct{}, 1)
		exporter := fallback.NewExporter(fallback.ExporterOptions{Bucket: memory, Key: key, NodeID: "node-1", Seed: 1,
			Refresh: func() { asked <- struct{}{} }})
		ended := make(chan error, 1)
		go func() { ended <- exporter.Run(ctx) }()
		write := func(c *operator.Configuration) {
			exporter.Offer(c.Table.Raw, c.Hash, exporter.Mark())
			for deadline := time.After(time.Hour); exporter.Status().ExportedHash != c.Hash; {
				select {
				case <-asked: // as its control plane
					exporter.Offer(c.Table.Raw, c.Hash, exporter.Mark())
				case <-time.After(time.Second):
				case <-deadline:
					t.Fatalf("the backup node never writes: %+v", exporter.Status())
				}
			}
		}
		exporter.Online(true)
		write(other(t))
		if found, err := s.Inspect(ctx, version); err != nil || found.Versions[0].Snapshot.Exporter != "node-1" || found.Versions[0].Lease == nil {
			t.Fatalf("%+v, %v", found, err)
		}

		if r, err := s.Replace(ctx, configuration(t, declared), forced(replacing)); err != nil || len(r.Warnings) != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
		before := epochOf(t, s)
		write(configuration(t, declared+"- {name: request-termination, config: {status_code: 503}}\n"))
		if after := epochOf(t, s); after.Compare(before) <= 0 {
			t.Errorf("epoch %s came after %s", after, before)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func epochOf(t *testing.T, s *operator.Storage) election.Epoch {
	t.Helper()
	found, err := s.Inspect(t.Context(), version)
	if err != nil {
		t.Fatal(err)
	}
	epoch, err := election.ParseEpoch(found.Versions[0].Snapshot.Epoch)
	if err != nil {
		t.Fatal(err)
	}
	return epoch
}
