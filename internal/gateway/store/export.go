// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"

	"blackout/internal/gateway/entity"
)

// Export returns everything that data planes need as a config_table, read in
// one transaction, so that it never mixes two states. It always holds the
// cluster's id, without which a real data plane takes an otherwise empty
// configuration for none at all (Kong 3.9).
func (s *Store) Export(ctx context.Context) (map[string]any, error) {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, failure("begin", err)
	}
	defer func() { _ = tx.Rollback() }() // ends a reading transaction; there is nothing to lose
	all := map[string][]entity.Record{}
	for _, schema := range held {
		if all[schema.Name], err = rows(ctx, tx, `SELECT body FROM `+schema.Name+` ORDER BY id`); err != nil {
			return nil, failure("export", err)
		}
	}
	const workspaces = `SELECT json_object('id', id, 'name', name, 'comment', NULL, 'created_at', created_at,
		'updated_at', created_at, 'meta', json('{}'), 'config', json('{}')) FROM workspaces`
	if all["workspaces"], err = rows(ctx, tx, workspaces); err != nil {
		return nil, failure("export", err)
	}
	const parameters = `SELECT json_object('key', key, 'value', value, 'created_at', NULL) FROM parameters ORDER BY key`
	if all["parameters"], err = rows(ctx, tx, parameters); err != nil {
		return nil, failure("export", err)
	}
	return entity.NewTable(all), nil
}
