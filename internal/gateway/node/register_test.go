// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"blackout/internal/gateway/hybrid"
	"blackout/internal/gateway/store"
)

func TestRegisterSavesTogetherWhatComesMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		let, saved := make(chan error), [][]store.DataPlane{}
		var log bytes.Buffer
		r := newRegister(slog.New(slog.NewTextHandler(&log, nil)), func(_ context.Context, rows []store.DataPlane) error {
			saved = append(saved, rows)
			return <-let
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.run(ctx) }()
		record := func(id int, hash string) {
			if err := r.record(ctx, hybrid.DataPlane{ID: nodeNumber(id), ConfigHash: hash}); err != nil {
				t.Error(err)
			}
		}
		record(0, "")
		synctest.Wait() // it is being saved
		for n := range 3000 {
			record(n%1000, fmt.Sprint(n))
		}
		let <- nil
		synctest.Wait()
		if len(saved) != 2 || len(saved[1]) != 1000 {
			t.Fatalf("%d transactions", len(saved))
		}
		for _, row := range saved[1] {
			if n, err := strconv.Atoi(row.ConfigHash); err != nil || n < 2000 || row.ID != nodeNumber(n-2000) {
				t.Errorf("%s is saved with %s, not the newest", row.ID, row.ConfigHash)
			}
		}
		for _, outcome := range []error{errors.New("down"), errors.New("down"), nil} {
			record(0, "")
			let <- outcome
			synctest.Wait()
		}
		let <- nil
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if text := log.String(); strings.Count(text, "dataplane.unrecorded") != 1 || strings.Count(text, "dataplane.recorded") != 1 {
			t.Errorf("the log: %s", text)
		}
	})
}

// A large fleet's rows go into several transactions: each has its time limit.
func TestRegisterSavesALargeFleetInBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		sizes, ids := []int{}, map[string]bool{}
		r := newRegister(slog.New(slog.DiscardHandler), func(_ context.Context, rows []store.DataPlane) error {
			sizes = append(sizes, len(rows))
			for _, row := range rows {
				ids[row.ID] = true
			}
			return nil
		})
		for n := range 2500 {
			_ = r.record(ctx, hybrid.DataPlane{ID: nodeNumber(n)})
		}
		done := make(chan error)
		go func() { done <- r.run(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-done; err != nil || len(ids) != 2500 || slices.Max(sizes) > 1000 {
			t.Errorf("%v; %d data planes in transactions of %v", err, len(ids), sizes)
		}
	})
}

func TestRegisterRefusesWhatIsNoNodeID(t *testing.T) {
	t.Parallel()
	r := newRegister(slog.New(slog.DiscardHandler), nil)
	for _, id := range []string{"x", "\x00", nodeNumber(1) + "\x00"} {
		if err := r.record(t.Context(), hybrid.DataPlane{ID: id}); err == nil || len(r.pending) > 0 {
			t.Errorf("%q: %v, %v", id, err, r.pending)
		}
	}
}

func nodeNumber(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }
