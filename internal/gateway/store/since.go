// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"blackout/internal/gateway/entity"
)

// remembered is how many revisions back the database knows what changed. Who is
// further behind reads everything.
const remembered = 100_000

// Position is a state of the database that was read. The zero value is before
// everything.
type Position struct {
	Revision int64
	mark     string // of the revision: another database, or an earlier state that went on from there, has another
}

// Delta is what changed in the database since a [Position].
type Delta struct {
	Position        // up to here
	Cluster  string // the cluster's id: another one is another database

	// Whole: what changed is not known. Rows are all that there are.
	Whole    bool
	Rows     []Row
	Entities int // how many there are now, expired ones included

	Workspaces, Parameters []entity.Record // all of them
}

// Row is an entity as it is kept.
type Row struct {
	Kind, ID string
	Body     []byte // the record in JSON; nil if the entity is gone
	Expires  int64  // Unix seconds; 0 for never
}

// Since returns what changed, read in one transaction, so that it never mixes two
// states. A database that was put back to an earlier state, or replaced, is read
// whole.
func (s *Store) Since(ctx context.Context, position Position) (*Delta, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.ExportTimeout)
	defer cancel()
	tx, err := s.read.BeginTx(ctx, s.dialect.reading)
	if err != nil {
		return nil, failure("begin", err)
	}
	defer func() { _ = tx.Rollback() }() // ends a reading transaction; there is nothing to lose
	delta := &Delta{}
	read := deltaReader{querier{tx, s.dialect}, delta}
	for _, part := range []func(context.Context) error{
		read.position, read.count, func(ctx context.Context) error { return read.rows(ctx, position) }, read.workspaces, read.parameters,
	} {
		if err := part(ctx); err != nil {
			return nil, failure("export", err)
		}
	}
	return delta, nil
}

// deltaReader reads a delta's parts in one transaction.
type deltaReader struct {
	querier
	delta *Delta
}

func (r deltaReader) position(ctx context.Context) error {
	found := false
	err := r.each(ctx, func(row *sql.Rows) error {
		found = true
		return row.Scan(&r.delta.Revision, &r.delta.mark, &r.delta.Cluster)
	}, identity)
	if err == nil && !found {
		err = errors.New("it has no revision or no cluster_id, as in the middle of a restore")
	}
	return err
}

func (r deltaReader) count(ctx context.Context) error {
	return r.each(ctx, func(row *sql.Rows) error { return row.Scan(&r.delta.Entities) }, `SELECT COUNT(*) FROM entities`)
}

// rows reads what was touched since the position, or everything.
func (r deltaReader) rows(ctx context.Context, position Position) error {
	known, err := r.knows(ctx, position)
	if err != nil {
		return err
	}
	if !known {
		r.delta.Whole = true
		return r.each(ctx, r.row, `SELECT kind, id, body, expires FROM entities ORDER BY kind, id`)
	}
	return r.each(ctx, r.row, `SELECT t.kind, t.id, e.body, e.expires FROM touched t
		LEFT JOIN entities e ON e.kind = t.kind AND e.id = t.id WHERE t.revision > ? ORDER BY t.kind, t.id`, position.Revision)
}

// knows says whether the database went through the position, and still knows
// what came after it.
func (r deltaReader) knows(ctx context.Context, position Position) (known bool, err error) {
	behind := r.delta.Revision - position.Revision
	if position.mark == "" || behind < 0 || behind > remembered {
		return false, nil
	}
	err = r.each(ctx, func(*sql.Rows) error { known = true; return nil },
		`SELECT 1 FROM marks WHERE revision = ? AND mark = ?`, position.Revision, position.mark)
	return known, err
}

func (r deltaReader) row(rows *sql.Rows) error {
	var row Row
	var expires sql.NullInt64
	if err := rows.Scan(&row.Kind, &row.ID, &row.Body, &expires); err != nil {
		return err
	}
	row.Expires = expires.Int64
	r.delta.Rows = append(r.delta.Rows, row)
	return nil
}

func (r deltaReader) workspaces(ctx context.Context) error {
	return r.each(ctx, func(row *sql.Rows) error {
		var id, name string
		var created int64
		if err := row.Scan(&id, &name, &created); err != nil {
			return err
		}
		r.delta.Workspaces = append(r.delta.Workspaces, entity.Record{
			"id": id, "name": name, "comment": nil, "created_at": float64(created), "updated_at": float64(created),
			"meta": map[string]any{}, "config": map[string]any{},
		})
		return nil
	}, `SELECT id, name, created_at FROM workspaces ORDER BY id`)
}

func (r deltaReader) parameters(ctx context.Context) error {
	return r.each(ctx, func(row *sql.Rows) error {
		var key, value string
		if err := row.Scan(&key, &value); err != nil {
			return err
		}
		r.delta.Parameters = append(r.delta.Parameters, entity.Record{"key": key, "value": value, "created_at": nil})
		return nil
	}, `SELECT key, value FROM parameters ORDER BY key`)
}

// Expired says whether the entity has outlived its ttl at a time in Unix seconds.
func (r Row) Expired(now int64) bool { return r.Expires > 0 && r.Expires <= now }

// Record decodes the row as it is exported: a ttl stands there as the time of
// expiry, so that what does not change exports the same.
func (r Row) Record() (entity.Record, error) {
	record, err := decode(r.Body)
	if err != nil {
		return nil, err
	}
	if r.Expires > 0 {
		record["ttl"] = float64(r.Expires)
	}
	return record, nil
}

// touch notes that an entity was written or removed.
func (tx *Tx) touch(ctx context.Context, kind, id string) error {
	return tx.exec(ctx, `INSERT INTO touched (kind, id, revision) VALUES (?, ?, ?)
		ON CONFLICT (kind, id) DO UPDATE SET revision = excluded.revision`, kind, id, tx.revision)
}

// step makes a new revision, and forgets at times what nobody can need any more.
func (tx *Tx) step(ctx context.Context) error {
	tx.mark = uuid.NewString()
	found := false
	err := tx.each(ctx, func(row *sql.Rows) error { found = true; return row.Scan(&tx.revision) },
		`UPDATE revision SET number = number + 1, mark = ? RETURNING number`, tx.mark)
	if err == nil && !found {
		err = errors.New("it has no revision")
	}
	if err != nil {
		return err
	}
	// After a return to an earlier state the marks beyond it are of another history.
	if err := tx.exec(ctx, `DELETE FROM marks WHERE revision >= ?`, tx.revision); err != nil {
		return err
	}
	if err := tx.exec(ctx, `INSERT INTO marks (revision, mark) VALUES (?, ?)`, tx.revision, tx.mark); err != nil {
		return fmt.Errorf("note the revision: %w", err)
	}
	if tx.revision%1000 != 0 {
		return nil
	}
	old := tx.revision - remembered
	if err := tx.exec(ctx, `DELETE FROM marks WHERE revision < ?`, old); err != nil {
		return err
	}
	return tx.exec(ctx, `DELETE FROM touched WHERE revision < ?`, old)
}

// identity is which database it is, and in what state.
const identity = `SELECT number, mark, value FROM revision, parameters WHERE key = 'cluster_id'`
