// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"blackout/internal/fallback/bucket"
)

// DefaultMaxBytes is the largest snapshot that an importer takes, in bytes,
// compressed and expanded.
const DefaultMaxBytes = 256 << 20

// DefaultTimeout bounds one attempt of an import: connecting, the store's
// answer and the whole of its body.
const DefaultTimeout = 30 * time.Second

// The time before the second attempt of an import, which doubles with every further
// one, and the longest before any.
const (
	retryWait    = 500 * time.Millisecond
	maxRetryWait = 30 * time.Second
)

// Snapshot is a configuration as it was found in the store.
type Snapshot struct {
	ConfigTable []byte      // one complete JSON object, uncompressed
	Version     string      // the store's: see [bucket.Info]
	Modified    time.Time   // when the store got the object
	Noted       Bookkeeping // what its exporter noted about it
}

// Importer reads a snapshot. Bucket and Key must be set.
type Importer struct {
	Bucket   bucket.Bucket
	Key      string
	URL      string        // of the object, as logs and errors name it; empty means Key
	MaxBytes int64         // 0 means DefaultMaxBytes
	Attempts int           // 0 means 1: Kong does not repeat a failed read
	Timeout  time.Duration // of one attempt; 0 means DefaultTimeout
	Log      *slog.Logger  // nil means slog.Default()

	// Accept spares a large snapshot a reading that is only to see whether it is one
	// complete JSON object: where the caller parses the table anyhow, it does so here
	// and reports true of nothing else. What it does not accept the importer looks
	// at itself, so that a text that is complete still is imported, whatever the caller
	// has against it. The object's digest is looked at in the meantime: what Accept made
	// of a table counts only once Import returns that. nil accepts nothing.
	Accept func(table []byte) bool
}

// Import reads the snapshot: one GET per attempt. If the store says that there
// is no such object, one LIST follows the last of them, so that the error can say
// which versions there are; no other version is ever read. The errors are this
// package's and [bucket]'s, and one line each; a snapshot comes only with a nil
// error. An attempt that outlasts Timeout is bucket.ErrIncomplete if the object
// had begun to arrive, or else bucket.ErrUnavailable.
func (im *Importer) Import(ctx context.Context) (Snapshot, error) {
	attempts, wait := max(im.Attempts, 1), retryWait
	for attempt := 1; ; attempt++ {
		snapshot, err := im.read(ctx)
		if err == nil {
			im.log().Info("fallback configuration read", "object", im.Name(), "object_version", snapshot.Version,
				"modified", snapshot.Modified, "bytes", len(snapshot.ConfigTable), "exporter", snapshot.Noted.Exporter)
			return snapshot, nil
		}
		if attempt == attempts {
			return Snapshot{}, fmt.Errorf("import fallback configuration: %w", im.explain(ctx, err))
		}
		im.log().Warn("fallback configuration not read", "object", im.Name(), "attempt", attempt, "of", attempts, "error", err)
		if ended := sleep(ctx, wait); ended != nil {
			return Snapshot{}, fmt.Errorf("import fallback configuration: %w, before the next attempt after: %w", ended, err)
		}
		wait = min(2*wait, maxRetryWait)
	}
}

// Name is how logs and errors name the object.
func (im *Importer) Name() string {
	if im.URL != "" {
		return im.URL
	}
	return im.Key
}

func (im *Importer) read(ctx context.Context) (Snapshot, error) {
	limit := im.MaxBytes
	if limit <= 0 {
		limit = DefaultMaxBytes
	}
	object, err := im.get(ctx, limit)
	if err != nil {
		return Snapshot{}, err
	}
	table, err := decode(object, limit, im.Accept)
	if err != nil {
		return Snapshot{}, fmt.Errorf("snapshot %s: %w", im.Name(), err)
	}
	return Snapshot{ConfigTable: table, Version: object.Version, Modified: object.Modified, Noted: ReadBookkeeping(object.Info)}, nil
}

// get sends the one request of an attempt.
func (im *Importer) get(ctx context.Context, limit int64) (bucket.Object, error) {
	timeout := im.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	attempt, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	object, err := im.Bucket.Get(attempt, im.Key, limit)
	switch {
	case errors.Is(err, bucket.ErrTooLarge):
		return object, fmt.Errorf("%w; blackout_fallback_max_size sets the limit", err)
	case err == nil || attempt.Err() == nil || ctx.Err() != nil:
		return object, err
	case errors.Is(err, bucket.ErrIncomplete):
		return bucket.Object{}, fmt.Errorf("not read within %s: %w", timeout, err)
	}
	return bucket.Object{}, fmt.Errorf("%w: not read within %s: %w", bucket.ErrUnavailable, timeout, err)
}

func (im *Importer) log() *slog.Logger {
	if im.Log != nil {
		return im.Log
	}
	return slog.Default()
}

// sleep waits for d, or for the end of ctx, whose cause it then returns.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
