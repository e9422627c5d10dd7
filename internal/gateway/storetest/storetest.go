// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package storetest reads a control plane's database as a whole, for tests to
// compare with. Its central function is [Export].
//
//	snapshot, err := storetest.Export(ctx, db, time.Now())
package storetest

import (
	"context"
	"fmt"
	"time"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/store"
)

// Snapshot is the whole content of a database at one time.
type Snapshot struct {
	Table    map[string]any // the config_table
	Entities int            // how many there are, disabled ones included and expired ones not
	Revision int64
	Cluster  string
}

// Export returns what data planes would get of the database, made in the plainest
// way there is: everything is read, decoded and laid out anew.
func Export(ctx context.Context, db *store.Store, now time.Time) (*Snapshot, error) {
	delta, err := db.Since(ctx, store.Position{})
	if err != nil {
		return nil, err
	}
	all := map[string][]entity.Record{"workspaces": delta.Workspaces, "parameters": delta.Parameters}
	snapshot := &Snapshot{Revision: delta.Revision, Cluster: delta.Cluster}
	for _, row := range delta.Rows {
		if row.Expired(now.Unix()) {
			continue
		}
		record, err := row.Record()
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", row.Kind, row.ID, err)
		}
		all[row.Kind] = append(all[row.Kind], record)
		snapshot.Entities++
	}
	snapshot.Table = entity.NewTable(all)
	return snapshot, nil
}
