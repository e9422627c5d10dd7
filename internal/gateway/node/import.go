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

// signals tell the import what happens between the node and its control plane.
type signals struct {
	connected chan struct{}
	failed    chan struct{}
}

func newSignals() signals {
	return signals{connected: make(chan struct{}, 1), failed: make(chan struct{}, 1)}
}

func signal(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default: // it is known already
	}
}

// importState is what the Status API tells of the import.
type importState struct {
	signals signals

	mu        sync.Mutex
	attempted bool
	imported  bool
}

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
func (dp *dataPlane) importWhenNeeded(ctx context.Context, wait time.Duration) {
	reason := dp.awaitNeed(ctx, wait)
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
	return dp.apply(configuration{cache.Entry{Table: snapshot.ConfigTable}, fromStore})
}

// awaitNeed waits until it is clear that the control plane cannot give a
// configuration, and says how. It returns "" if there is one, or ctx ended.
func (dp *dataPlane) awaitNeed(ctx context.Context, wait time.Duration) string {
	var silent <-chan time.Time // runs from the first connection on
	for {
		select {
		case <-dp.live.Done():
			return ""
		case <-ctx.Done():
			return ""
		case <-dp.imports.signals.failed:
			return "the control plane cannot be reached"
		case <-silent:
			return "the control plane is connected and sends no usable configuration"
		case <-dp.imports.signals.connected:
			if silent == nil {
				timer := time.NewTimer(wait)
				defer timer.Stop()
				silent = timer.C
			}
		}
	}
}
