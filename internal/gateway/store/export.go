// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"

	"blackout/internal/gateway/entity"
)

// Snapshot is the whole content of the database at one time.
type Snapshot struct {
	Table    map[string]any // the config_table
	Entities int            // how many there are, disabled ones included and expired ones not
	Revision int64          // counts the changes made through control planes
	Cluster  string         // the cluster's id: another one is another database
}

// Export returns everything that data planes need as a config_table, read in
// one transaction, so that it never mixes two states. It always holds the
// cluster's id, without which a real data plane takes an otherwise empty
// configuration for none at all (Kong 3.9). A ttl stands there as the time of
// expiry, so that what does not change exports the same.
func (s *Store) Export(ctx context.Context) (*Snapshot, error) {
	delta, err := s.Since(ctx, Position{})
	if err != nil {
		return nil, err
	}
	all := map[string][]entity.Record{"workspaces": delta.Workspaces, "parameters": delta.Parameters}
	snapshot := &Snapshot{Revision: delta.Revision, Cluster: delta.Cluster}
	now := s.options.Now().Unix()
	for _, row := range delta.Rows {
		if row.Expired(now) {
			continue
		}
		record, err := row.Record()
		if err != nil {
			return nil, failure("export", err)
		}
		all[row.Kind] = append(all[row.Kind], record)
		snapshot.Entities++
	}
	snapshot.Table = entity.NewTable(all)
	return snapshot, nil
}

// identity is which database it is, and in what state.
const identity = `SELECT number, mark, value FROM revision, parameters WHERE key = 'cluster_id'`
