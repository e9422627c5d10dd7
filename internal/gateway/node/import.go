// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"blackout/internal/fallback"
)

// importState is what the import learns of the control plane, and what the
// Status API tells of the import. Make it with [newImportState].
type importState struct {
	failed chan struct{} // holds a token once a connection failed or was lost
	quiet  quiet

	mu        sync.Mutex
	attempted bool
	imported  bool
	failure   error
}

func newImportState(wait time.Duration) *importState {
	return &importState{failed: make(chan struct{}, 1), quiet: newQuiet(wait)}
}

// fail notes that the control plane was not reached, or was lost.
func (s *importState) fail() {
	select {
	case s.failed <- struct{}{}:
	default: // it is known already
	}
}

// quiet measures how long a connected control plane leaves the node without a
// usable configuration. It stands still while one that arrived is being
// applied: however long that takes, the control plane has delivered. Its methods
// belong to the client.
type quiet struct {
	timer   *time.Timer
	wait    time.Duration
	until   time.Time // when it is over
	refused bool      // a configuration was
}

func newQuiet(wait time.Duration) quiet {
	timer := time.NewTimer(wait)
	timer.Stop()
	return quiet{timer: timer, wait: wait}
}

// begin starts the wait anew; end takes back also a wait that is over and was
// not noticed yet.
func (q *quiet) begin() { q.until = time.Now().Add(q.wait); q.timer.Reset(q.wait) }
func (q *quiet) end()   { q.timer.Stop() }

// refuse goes on with the wait after a configuration that is not usable. The first
// one starts it anew: the control plane may yet send a better one. One that sends
// nothing better again and again must not keep the node waiting for ever.
func (q *quiet) refuse() {
	if !q.refused {
		q.refused = true
		q.begin()
		return
	}
	q.timer.Reset(time.Until(q.until))
}

// end notes how the import ended that [importState.begin] noted.
func (s *importState) end(failure error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.imported, s.failure = failure == nil, failure
}

func (s *importState) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempted = true
}

func (s *importState) describe(status map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	status["import_attempted"], status["imported"] = s.attempted, s.imported
	if s.failure != nil {
		status["import_error"] = s.failure.Error()
	}
}

// openImporter opens the object store for the import alone.
func (n *Node) openImporter(b *backup) error {
	opened, closeIt, err := n.openStore(b.meter)
	if err != nil {
		return err
	}
	p := parameters(n.options.Config)
	b.importer = &fallback.Importer{Bucket: opened, Key: p.Key(), URL: p.URL(), MaxBytes: p.MaxBytes,
		Attempts: p.ReadAttempts, Timeout: n.options.Config.Fallback.ReadTimeout, Log: n.log}
	b.imported = closeIt
	return nil
}

// runImport imports if the node may and has no configuration of its own. The
// store is read in the life of a process now or never: its client is closed when
// this is settled.
func (n *Node) runImport(dp *dataPlane, configured bool) {
	if dp.backup.importer == nil {
		return
	}
	n.run("import the fallback configuration", func(ctx context.Context) error {
		defer dp.backup.imported()
		if !configured {
			dp.importWhenNeeded(ctx)
		}
		return nil
	})
}

// importWhenNeeded imports the configuration once, if the control plane cannot
// give one. It is called once in the life of the process.
func (dp *dataPlane) importWhenNeeded(ctx context.Context) {
	reason := dp.awaitNeed(ctx)
	// Both may have come at once: a configuration, and the loss of the
	// connection that brought it.
	if reason == "" || dp.live.Err() != nil {
		return
	}
	object := dp.backup.importer.Name()
	dp.imports.begin()
	dp.log.Warn("fallback.importing", "object", object, "reason", reason)
	// The control plane wins when it comes while the import runs.
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(dp.live, cancel)()
	err := dp.importOnce(reading)
	switch {
	case err == nil:
		dp.imports.end(nil)
	case ctx.Err() != nil:
		dp.log.Info("fallback.import_abandoned", "object", object, "reason", "the node stops")
	case errors.Is(err, errOvertaken) || dp.live.Err() != nil:
		dp.log.Info("fallback.import_abandoned", "object", object, "reason", "the control plane delivered meanwhile")
	default:
		dp.imports.end(err)
		dp.log.Error("fallback.import_failed", "object", object, "error", err)
	}
}

func (dp *dataPlane) importOnce(ctx context.Context) error {
	importer, found := *dp.backup.importer, configuration{source: fromStore}
	var refusal error
	importer.Accept = func(text []byte) bool {
		found.Table = text
		found.table, refusal = dp.parse(found, nil)
		return refusal == nil
	}
	if _, err := importer.Import(ctx); err != nil {
		return err
	}
	err := refusal
	if err == nil {
		err = dp.apply(found)
	}
	if err != nil && !errors.Is(err, errOvertaken) {
		return fmt.Errorf("snapshot %s is refused: %w", importer.Name(), err)
	}
	return err
}

// awaitNeed waits until it is clear that the control plane cannot give a
// configuration, and says how. It returns "" if there is one, or ctx ended.
func (dp *dataPlane) awaitNeed(ctx context.Context) string {
	select {
	case <-dp.live.Done():
		return ""
	case <-ctx.Done():
		return ""
	case <-dp.imports.failed:
		return "the control plane cannot be reached"
	case <-dp.imports.quiet.timer.C:
		return "the control plane is connected and sends no usable configuration"
	}
}
