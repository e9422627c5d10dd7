// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"blackout/internal/gateway/cache"
)

// importState is what the import learns of the control plane, and what the
// Status API tells of the import. Make it with [newImportState].
type importState struct {
	failed chan struct{} // holds a token once a connection failed or was lost
	quiet  quiet

	mu        sync.Mutex
	attempted bool
	imported  bool
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
// applied: however long that takes, the control plane has delivered.
type quiet struct {
	timer *time.Timer
	wait  time.Duration
}

func newQuiet(wait time.Duration) quiet {
	timer := time.NewTimer(wait)
	timer.Stop()
	return quiet{timer: timer, wait: wait}
}

// begin starts the wait anew; end takes back also a wait that is over and was
// not noticed yet.
func (q quiet) begin() { q.timer.Reset(q.wait) }
func (q quiet) end()   { q.timer.Stop() }

func (s *importState) note(attempted, imported bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempted, s.imported = attempted, imported
}

func (s *importState) describe(status map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	status["import_attempted"], status["imported"] = s.attempted, s.imported
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
	dp.imports.note(true, false)
	dp.log.Warn("fallback.importing", "reason", reason)
	// The control plane wins when it comes while the import runs.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(dp.live, cancel)()
	err := dp.importOnce(ctx)
	switch {
	case err == nil:
		dp.imports.note(true, true)
	case errors.Is(err, errOvertaken) || dp.live.Err() != nil:
		dp.log.Info("fallback.import_abandoned", "reason", "the control plane delivered meanwhile")
	default:
		dp.log.Error("fallback.import_failed", "error", err)
	}
}

func (dp *dataPlane) importOnce(ctx context.Context) error {
	snapshot, err := dp.backup.importer.Import(ctx)
	if err != nil {
		return err
	}
	return dp.apply(configuration{Entry: cache.Entry{Table: snapshot.ConfigTable}, source: fromStore})
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
