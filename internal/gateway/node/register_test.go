// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
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
		record := func(id, hash string) { _ = r.record(ctx, hybrid.DataPlane{ID: id, ConfigHash: hash}) }
		record("first", "")
		synctest.Wait() // it is being saved
		for n := range 3000 {
			record(fmt.Sprint(n%1000), fmt.Sprint(n))
		}
		let <- nil
		synctest.Wait()
		if len(saved) != 2 || len(saved[1]) != 1000 {
			t.Fatalf("%d transactions", len(saved))
		}
		for _, row := range saved[1] {
			if n, err := strconv.Atoi(row.ID); err != nil || row.ConfigHash != strconv.Itoa(2000+n) {
				t.Errorf("%s is saved with %s, not the newest", row.ID, row.ConfigHash)
			}
		}
		for _, outcome := range []error{errors.New("down"), errors.New("down"), nil} {
			record("again", "")
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
