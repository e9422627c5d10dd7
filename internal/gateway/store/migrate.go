// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// migrations make the tables; the n-th one leads to schema version n. One that
// was released is never changed: add another.
//
// {text}, {integer} and {end} stand for the dialect's words. A unique value or
// a tag that is too long for an index is held by its digest (see [held]).
var migrations = [][]string{{
	`CREATE TABLE entities (kind {text} NOT NULL, id {text} NOT NULL, expires {integer}, body {text} NOT NULL,
		PRIMARY KEY (kind, id)){end}`,
	`CREATE INDEX entities_by_expiry ON entities (expires)`,
	`CREATE TABLE uniques (kind {text} NOT NULL, fields {text} NOT NULL, value {text} NOT NULL, id {text} NOT NULL,
		PRIMARY KEY (kind, fields, value),
		FOREIGN KEY (kind, id) REFERENCES entities (kind, id) ON DELETE CASCADE){end}`,
	`CREATE INDEX uniques_by_entity ON uniques (kind, id)`,
	`CREATE TABLE links (kind {text} NOT NULL, id {text} NOT NULL, field {text} NOT NULL,
		target_kind {text} NOT NULL, target {text} NOT NULL,
		PRIMARY KEY (kind, id, field, target),
		FOREIGN KEY (kind, id) REFERENCES entities (kind, id) ON DELETE CASCADE,
		FOREIGN KEY (target_kind, target) REFERENCES entities (kind, id)){end}`,
	`CREATE INDEX links_by_target ON links (target_kind, target, kind, field, id)`,
	`CREATE TABLE tags (kind {text} NOT NULL, id {text} NOT NULL, position {integer} NOT NULL, tag {text} NOT NULL,
		PRIMARY KEY (id, kind, position),
		FOREIGN KEY (kind, id) REFERENCES entities (kind, id) ON DELETE CASCADE){end}`,
	`CREATE INDEX tags_by_tag ON tags (tag, id, kind)`,
	`CREATE TABLE workspaces (id {text} PRIMARY KEY, name {text} NOT NULL UNIQUE, created_at {integer} NOT NULL){end}`,
	`CREATE TABLE parameters (key {text} PRIMARY KEY, value {text} NOT NULL){end}`,
	`CREATE TABLE revision (number {integer} NOT NULL, mark {text} NOT NULL){end}`, // grows with every change of what is exported
	`INSERT INTO revision VALUES (0, '')`,
	`CREATE TABLE marks (revision {integer} PRIMARY KEY, mark {text} NOT NULL){end}`, // of the latest revisions
	`CREATE TABLE touched (kind {text} NOT NULL, id {text} NOT NULL, revision {integer} NOT NULL,
		PRIMARY KEY (kind, id)){end}`, // when an entity was last written or removed
	`CREATE INDEX touched_by_revision ON touched (revision)`,
	`CREATE TABLE data_planes (id {text} PRIMARY KEY, expires {integer} NOT NULL, body {text} NOT NULL){end}`,
}}

// migrate brings the tables up to date, in one transaction, and gives a new
// database the cluster's identity. Of several control planes that start at
// once, one does it and the others wait.
func (s *Store) migrate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.ExportTimeout)
	defer cancel()
	return s.transact(ctx, nil, func(tx *sql.Tx) error {
		on := querier{tx, s.dialect}
		if s.dialect.lock != "" {
			if err := on.exec(ctx, s.dialect.lock); err != nil {
				return err
			}
		}
		version, err := schemaVersion(ctx, on)
		if err != nil {
			return err
		}
		if version > len(migrations) {
			return fmt.Errorf("its schema has version %d, this gateway knows %d; use the gateway that wrote it", version, len(migrations))
		}
		for _, migration := range migrations[version:] {
			if err := s.apply(ctx, on, migration); err != nil {
				return err
			}
		}
		if err := on.exec(ctx, `UPDATE schema_version SET number = ?`, len(migrations)); err != nil {
			return err
		}
		return s.introduce(ctx, on)
	})
}

// schemaVersion returns how many migrations the database has seen.
func schemaVersion(ctx context.Context, on querier) (version int, err error) {
	if !on.dialect.numbered {
		if err := refuseOldFile(ctx, on); err != nil {
			return 0, err
		}
	}
	create := on.dialect.table(`CREATE TABLE IF NOT EXISTS schema_version (number {integer} NOT NULL){end}`)
	if err := on.exec(ctx, create); err != nil {
		return 0, err
	}
	if err := on.exec(ctx, `INSERT INTO schema_version SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM schema_version)`); err != nil {
		return 0, err
	}
	err = on.each(ctx, func(row *sql.Rows) error { return row.Scan(&version) }, `SELECT number FROM schema_version`)
	return version, err
}

// refuseOldFile refuses a SQLite file of a gateway that kept each kind of
// entity in a table of its own.
func refuseOldFile(ctx context.Context, on querier) error {
	var old int
	err := on.each(ctx, func(row *sql.Rows) error { return row.Scan(&old) }, `PRAGMA user_version`)
	if err == nil && old != 0 {
		err = errors.New("it was written by an older gateway; export it there, remove the file, and load the export")
	}
	return err
}

func (s *Store) apply(ctx context.Context, on querier, migration []string) error {
	for _, statement := range migration {
		if err := on.exec(ctx, s.dialect.table(statement)); err != nil {
			return err
		}
	}
	return nil
}

// introduce gives a new database its workspace and the cluster's id.
func (s *Store) introduce(ctx context.Context, on querier) error {
	const workspace = `INSERT INTO workspaces VALUES (?, 'default', ?) ON CONFLICT (name) DO NOTHING`
	if err := on.exec(ctx, workspace, uuid.NewString(), s.options.Now().Unix()); err != nil {
		return err
	}
	return on.exec(ctx, `INSERT INTO parameters VALUES ('cluster_id', ?) ON CONFLICT (key) DO NOTHING`, uuid.NewString())
}

// table puts the dialect's words into a statement that makes a table.
func (d dialect) table(statement string) string {
	return strings.NewReplacer("{text}", d.text, "{integer}", d.integer, "{end}", d.suffix).Replace(statement)
}
