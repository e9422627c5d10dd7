// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"blackout/internal/fallback"
	"blackout/internal/fallback/bucket"
	"blackout/internal/gateway/cache"
	"blackout/internal/gateway/hybrid"
	"blackout/internal/gateway/proxy"
)

const wait = 10 * time.Second // for a usable configuration, in these tests

// readings is a store that only tells when it was read.
type readings struct {
	bucket.Bucket
	at chan time.Time
}

func (r readings) Get(context.Context, string, int64) (bucket.Object, error) {
	r.at <- time.Now()
	return bucket.Object{}, errors.New("nothing here")
}

// newImporting is a data plane that may import and has no configuration yet.
func newImporting(t *testing.T, log *slog.Logger, cachePath string) (*dataPlane, readings) {
	store := readings{at: make(chan time.Time, 1)}
	dp := &dataPlane{log: log, proxy: proxy.New(proxy.Options{Log: log}), cache: cache.Cache{Path: cachePath, Version: "3.9.1"},
		imports: newImportState(wait)}
	dp.backup.importer = &fallback.Importer{Bucket: store, Key: "key", Log: log}
	dp.live, dp.setLive = context.WithCancel(t.Context())
	t.Cleanup(dp.proxy.Close)
	return dp, store
}

// A control plane that delivers and is lost at once leaves both signs behind;
// whichever is seen first, the store stays unread.
func TestALostControlPlaneThatDeliveredIsNoReasonToImport(t *testing.T) {
	t.Parallel()
	for range 100 {
		dp, store := newImporting(t, slog.New(slog.DiscardHandler), "")
		dp.setLive()
		dp.imports.fail()
		dp.importWhenNeeded(t.Context())
		if len(store.at) > 0 {
			t.Fatal("the store is read although a configuration is in force")
		}
	}
}

// slowLog takes an hour over what is logged under a name, and so stands for
// whatever is slow at that point.
type slowLog struct {
	slog.Handler
	at string
}

func (s slowLog) Enabled(context.Context, slog.Level) bool { return true }

func (s slowLog) Handle(_ context.Context, record slog.Record) error {
	if record.Message == s.at {
		<-time.After(time.Hour) // of the bubble's clock
	}
	return nil
}

const (
	valid   = `{"_format_version":"3.0","parameters":[{"key":"cluster_id","value":"x"}]}`
	invalid = `{"_format_version":"9.0"}`
)

func message(table string) hybrid.Reconfigure {
	return hybrid.Reconfigure{Table: []byte(table), Hash: strings.Repeat("a", 32)}
}

func TestASlowlyAppliedConfigurationIsNoReasonToImport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// The disk that cannot be written to is what is logged, slowly.
		log := slog.New(slowLog{slog.DiscardHandler, "cache.unsaved"})
		dp, store := newImporting(t, log, filepath.Join(t.TempDir(), "absent", "config.cache"))
		dp.Connected()
		<-time.After(wait - time.Second) // of the bubble's clock
		var applying sync.WaitGroup
		applying.Go(func() { dp.Configure(t.Context(), message(valid)) })
		defer applying.Wait()
		dp.importWhenNeeded(t.Context()) // returns once the configuration is in force
		if len(store.at) > 0 {
			t.Error("the store is read although the control plane delivered in time")
		}
		if dp.ready(t.Context()) != "" {
			t.Error("the wait ended before the configuration was in force")
		}
	})
}

func TestARefusedConfigurationStartsTheWaitAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dp, store := newImporting(t, slog.New(slog.DiscardHandler), filepath.Join(t.TempDir(), "config.cache"))
		dp.Connected()
		<-time.After(wait - time.Second) // of the bubble's clock
		dp.Configure(t.Context(), message(invalid))
		refused := time.Now()
		dp.importWhenNeeded(t.Context())
		if waited := (<-store.at).Sub(refused); waited != wait {
			t.Errorf("the store is read %s after the configuration was refused, want %s", waited, wait)
		}
	})
}
