// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"blackout/internal/fallback/bucket"
)

// ExporterOptions say what an exporter writes where, and how patiently. Store
// and Key must be set; zero values of the rest stand for the defaults given.
type ExporterOptions struct {
	Bucket bucket.Bucket
	Key    string

	Delay  time.Duration // from the start of one upload to the start of the next; 0: none
	NodeID string        // goes into the metadata of every object

	PutTimeout   time.Duration // of one upload; 30 s
	FlushTimeout time.Duration // how long Run goes on after its context's end to upload what is pending; 5 s
	RetryMin     time.Duration // wait after the first failed upload, doubling with each further one; 500 ms
	RetryMax     time.Duration // longest wait between attempts; 30 s

	Jitter func() float64   // in [0,1), spreads the waits; math/rand/v2
	Now    func() time.Time // stamps objects and status; time.Now
	Log    *slog.Logger     // slog.Default()
}

// ExporterStatus is what an exporter did and has yet to do. It holds no secret.
type ExporterStatus struct {
	ExportedHash string    // of the configuration exported last; empty before the first
	ExportedAt   time.Time // when its upload had succeeded
	ETag         string    // the store's for it
	PendingHash  string    // of the configuration that waits; empty if none does
	PendingSince time.Time // since when the store has been behind; zero if it is not
	Failures     int       // uploads failed since the last success
	LastError    string    // of the last failed upload or refused offer; empty after a success
}

// Exporter keeps the newest configuration it is offered in the store.
type Exporter struct {
	options ExporterOptions
	wake    chan struct{} // holds one token: something was offered

	earliest time.Time // of the next upload; belongs to Run

	mu        sync.Mutex
	pending   *offer
	uploading *offer // the pending one that is being uploaded, or nil
	stored    string // hash that the store surely holds; empty if unknown
	status    ExporterStatus
}

type offer struct {
	table []byte
	hash  string
	since time.Time // when it, or the first of the offers it replaced unsent, came
}

// NewExporter makes an exporter. It does nothing before [Exporter.Run].
func NewExporter(options ExporterOptions) *Exporter {
	orDefault(&options.PutTimeout, 30*time.Second)
	orDefault(&options.FlushTimeout, 5*time.Second)
	orDefault(&options.RetryMin, 500*time.Millisecond)
	orDefault(&options.RetryMax, 30*time.Second)
	if options.Jitter == nil {
		options.Jitter = rand.Float64
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Log == nil {
		options.Log = slog.Default()
	}
	return &Exporter{options: options, wake: make(chan struct{}, 1)}
}

func orDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

// Offer hands over a new configuration, which takes the place of one that is
// still pending. The caller must not change configTable afterwards. Offer
// parses it once but never waits for the store. A configuration that is not a
// JSON object or holds no entity is refused and logged: it never replaces a
// backup, nor a good configuration that is pending.
func (e *Exporter) Offer(configTable []byte, hash string) {
	if err := requireConfiguration(configTable); err != nil {
		e.refuse(hash, err)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	since := e.options.Now()
	if e.pending != nil && e.pending != e.uploading {
		since = e.pending.since
	}
	e.pending = &offer{table: configTable, hash: hash, since: since}
	e.status.PendingHash = hash
	if e.status.PendingSince.IsZero() {
		e.status.PendingSince = since
	}
	select {
	case e.wake <- struct{}{}:
	default: // the token of an earlier offer is still there
	}
}

func (e *Exporter) refuse(hash string, err error) {
	e.options.Log.Error("fallback configuration not exported: refused to replace the backup",
		"key", e.options.Key, "hash", hash, "error", err)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status.LastError = fmt.Sprintf("refused configuration %s: %v", hash, err)
}

// Status tells what was exported and what is pending.
func (e *Exporter) Status() ExporterStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.status
}

// Run uploads what is offered until ctx ends. It then uploads what is pending
// without regard to the delay, for at most FlushTimeout, and returns an error
// only if that did not succeed. Run must be called once.
func (e *Exporter) Run(ctx context.Context) error {
	work, cancel := lingering(ctx, e.options.FlushTimeout)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
		case <-e.wake:
			e.awaitWindow(ctx)
		}
		if err := e.export(ctx, work); err != nil {
			return fmt.Errorf("export fallback configuration on the way out: %w", err)
		}
		if ctx.Err() != nil && !e.hasPending() {
			return nil
		}
	}
}

// awaitWindow waits until the delay since the last upload has passed; what is
// offered meanwhile is coalesced. The end of ctx ends the wait.
func (e *Exporter) awaitWindow(ctx context.Context) {
	if wait := time.Until(e.earliest); wait > 0 {
		// Cut short or not, the upload is due.
		_ = sleep(ctx, wait)
	}
}

// export uploads the newest offer, trying until it succeeds or work ends.
func (e *Exporter) export(ctx, work context.Context) error {
	wait := e.options.RetryMin
	for {
		next := e.next()
		if next == nil {
			return nil
		}
		err := e.upload(work, next)
		if err == nil {
			return nil
		}
		if work.Err() != nil {
			return err
		}
		// Half of the wait is fixed and half is drawn, so that the exporters of
		// many clusters do not return to a recovering store at the same moment.
		pause := wait/2 + time.Duration(e.options.Jitter()*float64(wait)/2)
		wait = min(2*wait, e.options.RetryMax)
		if e.pause(ctx, work, pause) != nil {
			return err
		}
	}
}

// pause waits between attempts. The end of ctx cuts it short once: what is
// pending then gets its last attempts at the shortest interval.
func (e *Exporter) pause(ctx, work context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return sleep(work, min(d, e.options.RetryMin))
	}
	if sleep(ctx, d) != nil {
		return sleep(work, 0)
	}
	return nil
}

// next is the offer to upload, or nil: an offer that the store already holds,
// because the configuration changed and changed back, is dropped.
func (e *Exporter) next() *offer {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pending != nil && e.stored != "" && e.pending.hash == e.stored {
		e.settle()
	}
	e.uploading = e.pending
	return e.pending
}

// settle forgets what was pending. The caller holds the lock.
func (e *Exporter) settle() {
	e.pending = nil
	e.status.PendingHash, e.status.PendingSince = "", time.Time{}
}

func (e *Exporter) hasPending() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.pending != nil
}

func (e *Exporter) upload(work context.Context, next *offer) error {
	ctx, cancel := context.WithTimeout(work, e.options.PutTimeout)
	defer cancel()
	e.earliest = time.Now().Add(e.options.Delay)
	sum := sha256.Sum256(next.table)
	noted := Bookkeeping{Hash: next.hash, Time: e.options.Now(), Exporter: e.options.NodeID, SHA256: hex.EncodeToString(sum[:])}
	etag, err := e.options.Bucket.Put(ctx, e.options.Key, next.table, bucket.PutOptions{Metadata: noted.metadata()})
	if err != nil {
		e.failed(next, err)
		return err
	}
	// The request may have left long after Put was called: to keep two of them the
	// delay apart, it counts from the end.
	e.earliest = time.Now().Add(e.options.Delay)
	e.succeeded(next, etag)
	return nil
}

func (e *Exporter) failed(tried *offer, err error) {
	e.mu.Lock()
	e.uploading = nil
	e.stored = "" // an upload whose answer was lost may have taken effect
	e.status.Failures++
	e.status.LastError = err.Error()
	first := e.status.Failures == 1
	e.mu.Unlock()
	if first {
		e.options.Log.Error("fallback configuration not exported; retrying until it is",
			"key", e.options.Key, "hash", tried.hash, "error", err)
	}
}

func (e *Exporter) succeeded(done *offer, etag string) {
	now := e.options.Now()
	e.mu.Lock()
	failures := e.status.Failures
	e.stored = done.hash
	e.status.ExportedHash, e.status.ExportedAt, e.status.ETag = done.hash, now, etag
	e.status.Failures, e.status.LastError = 0, ""
	if e.pending == done {
		e.settle()
	} else {
		e.status.PendingSince = e.pending.since
	}
	e.uploading = nil
	e.mu.Unlock()
	e.options.Log.Info("fallback configuration exported", "key", e.options.Key, "hash", done.hash,
		"etag", etag, "bytes", len(done.table), "failed_attempts", failures)
}

// errFlushTimeout ends uploads that go on for too long after Run's context.
var errFlushTimeout = errors.New("flush timeout passed")

// lingering is a context that ends a while after ctx. The returned function
// ends it now and waits for its goroutine.
func lingering(ctx context.Context, while time.Duration) (context.Context, func()) {
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-ctx.Done():
		case <-work.Done():
			return
		}
		if sleep(work, while) == nil {
			cancel(errFlushTimeout)
		}
	}()
	return work, func() { cancel(nil); <-done }
}
