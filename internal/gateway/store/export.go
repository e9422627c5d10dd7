// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"

	"blackout/internal/gateway/entity"
)

// Snapshot is the whole content of the database at one time.
type Snapshot struct {
	Table    map[string]any // the config_table
	Entities int            // how many there are, disabled ones included
	Revision int64          // counts the changes made through control planes
	Cluster  string         // the cluster's id: another one is another database
}

// Export returns everything that data planes need as a config_table, read in
// one transaction, so that it never mixes two states. It always holds the
// cluster's id, without which a real data plane takes an otherwise empty
// configuration for none at all (Kong 3.9). A ttl stands there as the time of
// expiry, so that what does not change exports the same.
func (s *Store) Export(ctx context.Context) (*Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.ExportTimeout)
	defer cancel()
	tx, err := s.read.BeginTx(ctx, s.dialect.reading)
	if err != nil {
		return nil, failure("begin", err)
	}
	defer func() { _ = tx.Rollback() }() // ends a reading transaction; there is nothing to lose
	snapshot, all := &Snapshot{}, map[string][]entity.Record{}
	reading := reader{querier{tx, s.dialect}, s.options.Now().Unix()}
	for _, read := range []func(context.Context, *Snapshot, map[string][]entity.Record) error{
		reading.identity, reading.entities, reading.workspaces, reading.parameters,
	} {
		if err := read(ctx, snapshot, all); err != nil {
			return nil, failure("export", err)
		}
	}
	snapshot.Table = entity.NewTable(all)
	return snapshot, nil
}

// identity is which database it is, and in what state.
const identity = `SELECT number, value FROM revision, parameters WHERE key = 'cluster_id'`

// reader reads an export's parts in one transaction.
type reader struct {
	querier
	now int64 // Unix seconds
}

func (r reader) identity(ctx context.Context, snapshot *Snapshot, _ map[string][]entity.Record) error {
	return r.each(ctx, func(row *sql.Rows) error { return row.Scan(&snapshot.Revision, &snapshot.Cluster) }, identity)
}

func (r reader) entities(ctx context.Context, snapshot *Snapshot, all map[string][]entity.Record) error {
	return r.each(ctx, func(row *sql.Rows) error {
		var kind string
		var body []byte
		var expires sql.NullInt64
		if err := row.Scan(&kind, &body, &expires); err != nil {
			return err
		}
		record, err := decode(body)
		if err != nil {
			return err
		}
		if expires.Valid {
			record["ttl"] = float64(expires.Int64)
		}
		all[kind] = append(all[kind], record)
		snapshot.Entities++
		return nil
	}, `SELECT kind, body, expires FROM entities WHERE expires IS NULL OR expires > ? ORDER BY kind, id`, r.now)
}

func (r reader) workspaces(ctx context.Context, _ *Snapshot, all map[string][]entity.Record) error {
	return r.each(ctx, func(row *sql.Rows) error {
		var id, name string
		var created int64
		if err := row.Scan(&id, &name, &created); err != nil {
			return err
		}
		all["workspaces"] = append(all["workspaces"], entity.Record{
			"id": id, "name": name, "comment": nil, "created_at": float64(created), "updated_at": float64(created),
			"meta": map[string]any{}, "config": map[string]any{},
		})
		return nil
	}, `SELECT id, name, created_at FROM workspaces ORDER BY id`)
}

func (r reader) parameters(ctx context.Context, _ *Snapshot, all map[string][]entity.Record) error {
	return r.each(ctx, func(row *sql.Rows) error {
		var key, value string
		if err := row.Scan(&key, &value); err != nil {
			return err
		}
		all["parameters"] = append(all["parameters"], entity.Record{"key": key, "value": value, "created_at": nil})
		return nil
	}, `SELECT key, value FROM parameters ORDER BY key`)
}
