// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/store"
)

// BenchmarkChangeToServed is the time from sending a change to the Admin API
// until a data plane that is attached answers by it. Control plane and data plane
// are processes of their own. Changes are looked for twenty times a second
// (db_update_frequency): with Kong's 5 s the first change of a row still goes out
// at once, and each one after it waits.
func BenchmarkChangeToServed(b *testing.B) {
	gateway := build(b, "blackout/cmd/gateway")
	for _, routes := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("routes=%d", routes), func(b *testing.B) {
			backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = fmt.Fprint(w, r.URL.Path)
			}))
			defer backend.Close()
			cp, dp := startPair(b, gateway, records(b, backend.Listener.Addr(), routes))
			last := fmt.Sprintf("/p%d/x", routes-1)
			wait(b, dp.address, last, "/gen/1")
			var served []float64
			generation := 1
			for b.Loop() {
				generation++
				<-time.After(2 * updateFrequency)
				began := time.Now()
				cp.change(b, http.MethodPatch, "/services/backend", fmt.Sprintf(`{"path":"/gen/%d"}`, generation))
				wait(b, dp.address, last, fmt.Sprintf("/gen/%d", generation))
				served = append(served, time.Since(began).Seconds())
			}
			slices.Sort(served)
			b.ReportMetric(median(served)*1000, "ms/median")
			b.ReportMetric(served[len(served)*99/100]*1000, "ms/p99")
			b.ReportMetric(resident(b, cp.command.Process.Pid), "MiB-CP")
			b.ReportMetric(resident(b, dp.command.Process.Pid), "MiB-DP")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// startPair starts a control plane with these entities in its database, and a
// data plane that is attached to it, with more in its environment.
func startPair(b *testing.B, gateway string, entities map[string][]entity.Record, environment ...string) (plane, start) {
	b.Helper()
	prefix := b.TempDir()
	db, err := store.Open(b.Context(), store.Options{Path: filepath.Join(prefix, "blackout.db"), Timeout: 10 * time.Minute})
	if err != nil {
		b.Fatal(err)
	}
	err = db.Alter(b.Context(), func(ctx context.Context, tx *store.Tx) error {
		for _, schema := range entity.All() {
			for _, record := range entities[schema.Name] {
				if err := tx.Put(ctx, schema, record, nil); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		b.Fatal(err)
	}
	cp := startControlPlane(b, gateway, prefix)
	dp := dataPlane(b, gateway, b.TempDir(), cp.cluster, cp.identity)
	dp.command.Env = append(dp.command.Env, environment...)
	startProgram(b, dp.command)
	return cp, dp
}
