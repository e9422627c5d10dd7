// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"

	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/hybrid"
	"blackout/internal/gateway/store"
)

// register carries what is learnt of data planes to the database. A thousand of
// them ping at once after each change: what comes while a transaction is under way
// goes into the next one together, and neither a session nor the Admin API waits
// for a thousand transactions.
type register struct {
	save func(ctx context.Context, rows []store.DataPlane) error
	log  *slog.Logger

	mu      sync.Mutex
	pending map[string]store.DataPlane // by id; the newest of each
	wake    chan struct{}
}

func newRegister(log *slog.Logger, save func(ctx context.Context, rows []store.DataPlane) error) *register {
	return &register{save: save, log: log, pending: map[string]store.DataPlane{}, wake: make(chan struct{}, 1)}
}

// batch is how many rows go into one transaction, which has its time limit
// however large the fleet is.
const batch = 1000

// record takes what is known of a data plane now. It does not wait. One whose id is
// no UUID is not listed (Kong 3.9): no database need take such a text, and what it
// does not take would cost the others in the transaction their rows.
func (r *register) record(_ context.Context, dp hybrid.DataPlane) error {
	if !conf.IsNodeID(dp.ID) {
		return fmt.Errorf("the data plane is not listed: its node_id %.40q is not a UUID", dp.ID)
	}
	row := store.DataPlane{
		ID: dp.ID, Hostname: dp.Hostname, IP: dp.IP, Version: dp.Version, ConfigHash: cmp.Or(dp.ConfigHash, entity.EmptyHash),
		SyncStatus: dp.SyncStatus, Labels: dp.Labels, CertDetails: store.CertDetails{ExpiryTimestamp: dp.CertificateExpiry.Unix()},
		Capabilities: []string{},
	}
	r.mu.Lock()
	r.pending[row.ID] = row
	r.mu.Unlock()
	r.rouse()
	return nil
}

func (r *register) rouse() {
	select {
	case r.wake <- struct{}{}:
	default: // run is on its way
	}
}

// run saves what is recorded until ctx ends. What cannot be saved is forgotten:
// the next ping of the same data plane tells it anew. One line is logged when
// saving begins to fail, and one when it works again.
func (r *register) run(ctx context.Context) error {
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		}
		rows := r.take()
		err := r.save(ctx, rows)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !failing:
			r.log.Error("dataplane.unrecorded", "count", len(rows), "error", err)
		case err == nil && failing:
			r.log.Info("dataplane.recorded", "count", len(rows))
		}
		failing = err != nil
	}
}

// take takes a batch out of what is pending; run is called for the rest.
func (r *register) take() []store.DataPlane {
	r.mu.Lock()
	defer r.mu.Unlock()
	rows := make([]store.DataPlane, 0, min(len(r.pending), batch))
	for id, row := range r.pending {
		if len(rows) == batch {
			r.rouse()
			break
		}
		rows = append(rows, row)
		delete(r.pending, id)
	}
	return rows
}
