// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"blackout/internal/fallback"
)

// untouchable is a store that must not be read.
type untouchable struct {
	fallback.Store
	t *testing.T
}

func (u untouchable) Get(context.Context, string, int64) (fallback.Object, error) {
	u.t.Error("the store is read although a configuration is in force")
	return fallback.Object{}, errors.New("untouchable")
}

// A control plane that delivers and is lost at once leaves both signs behind;
// whichever is seen first, the store stays unread.
func TestALostControlPlaneThatDeliveredIsNoReasonToImport(t *testing.T) {
	t.Parallel()
	for range 100 {
		dp := &dataPlane{log: slog.New(slog.DiscardHandler)}
		dp.backup.importer = &fallback.Importer{Store: untouchable{t: t}, Key: "key", Log: dp.log}
		dp.imports.signals = newSignals()
		dp.live, dp.setLive = context.WithCancel(t.Context())
		dp.setLive()
		signal(dp.imports.signals.failed)
		dp.importWhenNeeded(t.Context(), time.Hour)
	}
}
