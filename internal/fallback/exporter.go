// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/election"
)

// DefaultLease is how long a leader of the backup nodes that is not heard of is
// left alone.
const DefaultLease = 20 * time.Second

// DefaultCheck is how often a leader looks at the snapshot that it wrote.
const DefaultCheck = time.Minute

// ExporterOptions say what an exporter writes where, and how patiently. Bucket,
// Key and NodeID must be set; zero values of the rest stand for the defaults given.
type ExporterOptions struct {
	Bucket bucket.Bucket
	Key    string // of the snapshot; the election's objects are in "election/" beside it

	NodeID string // no other node's; goes into every object
	Name   string // of the node, for people
	Role   string // of the node in its cluster, for people: two roles that both export are warned of

	Delay time.Duration // from the end of one upload to the start of the next; 0: none
	Lease time.Duration // see [election.Config]; 20 s
	Check time.Duration // how often the leader looks whether somebody else changed the snapshot; negative: never; 1 min
	Alone bool          // there is no election: this is the only backup node

	MaxBytes int64 // of a snapshot that is read to check it, as stored and expanded; [DefaultMaxBytes]

	PutTimeout   time.Duration // of one upload or read of the snapshot, with a second more for each MiB, and of what is asked about it; 30 s
	FlushTimeout time.Duration // how long Run goes on after its context's end to upload what is pending; 5 s
	RetryMin     time.Duration // wait after a first failed request, doubling with each further one; 500 ms
	RetryMax     time.Duration // longest wait between attempts; 30 s

	// Refresh makes the node ask its control plane anew, and offer what it gets
	// whether or not it changed. It must not wait. Without it nothing is asked, and
	// what another backup node wrote is only replaced by what comes anyhow.
	Refresh func()

	// Hash computes the hash of a config_table, for snapshots whose writer did not
	// note one. Without it they count as different from everything.
	Hash func(table []byte) (string, error)

	Seed uint64           // spreads the waits; drawn
	Now  func() time.Time // stamps objects and status; time.Now
	Log  *slog.Logger     // slog.Default()
}

// Exporter keeps the newest configuration it is offered in the store, for as long
// as it leads the backup nodes that share the store.
type Exporter struct {
	options ExporterOptions
	life    string
	wake    chan struct{} // holds one token: there is news
	mark    atomic.Uint64
	random  *mathrand.Rand // belongs to Run

	mu     sync.Mutex
	newest *offer // nil before the first
	online bool
	told   progress
}

// offer is a configuration that may be written. It does not change.
type offer struct {
	election.Offer
	table []byte
	parts layout
	since time.Time // when it, or the first of those that it replaced unsent, came
}

// NewExporter makes an exporter. It does nothing before [Exporter.Run].
func NewExporter(options ExporterOptions) *Exporter {
	orDefault(&options.Lease, DefaultLease)
	if options.Check == 0 {
		options.Check = DefaultCheck
	}
	if options.MaxBytes <= 0 {
		options.MaxBytes = DefaultMaxBytes
	}
	orDefault(&options.PutTimeout, 30*time.Second)
	orDefault(&options.FlushTimeout, 5*time.Second)
	orDefault(&options.RetryMin, 500*time.Millisecond)
	orDefault(&options.RetryMax, 30*time.Second)
	if options.Refresh == nil {
		options.Refresh = func() {}
	}
	if options.Seed == 0 {
		options.Seed = mathrand.Uint64()
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Log == nil {
		options.Log = slog.Default()
	}
	return &Exporter{options: options, life: newLife(), wake: make(chan struct{}, 1), random: mathrand.New(mathrand.NewPCG(options.Seed, 0))}
}

func orDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

// newLife names a run of a process as no other was ever named.
func newLife() string {
	var life [8]byte
	_, _ = rand.Read(life[:]) // never fails
	return hex.EncodeToString(life[:])
}

// Mark is what has to be handed to [Exporter.Offer] with the answer of a control
// plane that is asked from now on. Take it before asking: before dialling the
// control plane, or before reading its database. What the control plane sends by
// itself over a connection has the mark of the connection.
func (e *Exporter) Mark() uint64 { return e.mark.Load() }

// Online tells whether the node has its control plane, or a control plane its
// database. It is offline at first. An exporter that is offline tries to lead only to
// write what was offered before.
func (e *Exporter) Online(online bool) {
	e.mu.Lock()
	e.online = online
	e.mu.Unlock()
	e.rouse()
}

// Offer hands over a configuration that came from the control plane, and the mark
// of when that was asked. It takes the place of the one before. The caller must
// offer everything that the control plane gives it, also what is as before, and not
// change table afterwards. Offer reads the table once but never waits for the
// store. A table that is not a JSON object or holds no entity is refused and
// logged: it never replaces a backup, nor a good configuration that is pending.
func (e *Exporter) Offer(table []byte, hash string, mark uint64) {
	parts, err := survey(table)
	if err != nil {
		e.options.Log.Error("fallback configuration not exported: refused to replace the backup",
			"key", e.options.Key, "hash", hash, "error", err)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.told.refused = fmt.Sprintf("refused configuration %s: %v", hash, err)
		return
	}
	e.mu.Lock()
	number := uint64(1)
	if e.newest != nil {
		number += e.newest.Number
	}
	e.newest = &offer{Offer: election.Offer{Number: number, Hash: hash, Mark: mark}, table: table, parts: parts, since: e.options.Now()}
	e.told.offered(e.newest)
	e.mu.Unlock()
	e.rouse()
}

func (e *Exporter) rouse() {
	select {
	case e.wake <- struct{}{}:
	default: // the token of earlier news is still there
	}
}

// news is what was told last. Neither needs to be taken more than once.
func (e *Exporter) news() (newest *offer, online bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.newest, e.online
}

// Run uploads what is offered until ctx ends. It then uploads what is pending
// without regard to the delay, for at most FlushTimeout, and returns an error
// only if that did not succeed. A snapshot that is for another backup node to
// write, or for none that is known, is not pending, but logged. Run must be called
// once.
func (e *Exporter) Run(ctx context.Context) error {
	work, cancel := lingering(ctx, e.options.FlushTimeout)
	defer cancel()
	// Without anything to export the store is left alone.
	for newest, _ := e.news(); newest == nil; newest, _ = e.news() {
		select {
		case <-ctx.Done():
			if newest, _ := e.news(); newest == nil {
				return nil
			} // or the offer came at the same moment: it counts
		case <-e.wake:
		}
	}
	alone, err := e.detect(ctx, work)
	if err != nil {
		return fmt.Errorf("export fallback configuration on the way out: %w", err)
	}
	return e.join(work, alone).run(ctx)
}

// errFlushTimeout ends uploads that go on for too long after Run's context.
var errFlushTimeout = fmt.Errorf("flush timeout passed: %w", context.DeadlineExceeded)

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
