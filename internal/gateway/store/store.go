// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package store is the control plane's database: entities, the cluster's
// identity and the data planes seen, in one SQLite file. Its central type is
// [Store].
//
//	db, err := store.Open(ctx, store.Options{Path: "/var/lib/gateway/blackout.db"})
//	defer db.Close()
//	service, err := db.Create(ctx, entity.Services, record)
//	<-db.Changes()                // something was written
//	table, err := db.Export(ctx)  // one consistent view of everything
//
// One connection writes, so that a change that was checked against the rest of
// the data is still right when it is written; several read beside it.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"blackout/internal/gateway/entity"
)

// schemaVersion is the version of the tables below, kept in user_version.
const schemaVersion = 2

const readers = 4

// tables make the database. An entity's row holds what is looked up or
// kept unique by itself, and the whole record as JSON.
var tables = []string{
	`CREATE TABLE services (id TEXT PRIMARY KEY, name TEXT UNIQUE, body TEXT NOT NULL) STRICT`,
	`CREATE TABLE routes (id TEXT PRIMARY KEY, name TEXT UNIQUE, service TEXT REFERENCES services (id), body TEXT NOT NULL) STRICT`,
	`CREATE INDEX routes_by_service ON routes (service, id)`,
	`CREATE TABLE workspaces (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL) STRICT`,
	`CREATE TABLE parameters (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT`,
	`CREATE TABLE revision (number INTEGER NOT NULL) STRICT`, // grows with every change of what is exported
	`INSERT INTO revision VALUES (0)`,
	`CREATE TABLE data_planes (id TEXT PRIMARY KEY, expires INTEGER NOT NULL, body TEXT NOT NULL) STRICT`,
}

// Options say where the database is. Path must be set.
type Options struct {
	Path string
	Now  func() time.Time // time.Now
}

// Store is an open database. It is safe for concurrent use.
type Store struct {
	write   *sql.DB
	read    *sql.DB
	now     func() time.Time
	changes chan struct{}

	revision atomic.Int64 // the latest one that is known to have been told
}

// Open opens the database and creates it if it does not exist.
func Open(ctx context.Context, options Options) (*Store, error) {
	if options.Now == nil {
		options.Now = time.Now
	}
	s := &Store{now: options.Now, changes: make(chan struct{}, 1)}
	var err error
	if s.write, err = connect(options.Path, 1); err != nil {
		return nil, fmt.Errorf("open database %s: %w", options.Path, err)
	}
	if s.read, err = connect(options.Path, readers); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", options.Path, err), s.write.Close())
	}
	if err := s.migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", options.Path, err), s.Close())
	}
	return s, nil
}

func connect(path string, connections int) (*sql.DB, error) {
	source := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "foreign_keys(1)"},
	}.Encode()}
	if connections > 1 {
		query := source.Query()
		query.Set("_txlock", "deferred")
		source.RawQuery = query.Encode()
	}
	db, err := sql.Open("sqlite", source.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	return db, nil
}

// migrate creates the tables and the cluster's identity in a new database.
func (s *Store) migrate(ctx context.Context) error {
	return s.transact(ctx, func(tx *sql.Tx) error {
		var version int
		if err := tx.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
			return err
		}
		switch version {
		case schemaVersion:
			return nil
		case 0:
			return s.create(ctx, tx)
		}
		return fmt.Errorf("its schema has version %d, this gateway knows %d; use the gateway that wrote it", version, schemaVersion)
	})
}

func (s *Store) create(ctx context.Context, tx *sql.Tx) error {
	for _, statement := range append(tables, fmt.Sprintf(`PRAGMA user_version = %d`, schemaVersion)) {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO workspaces VALUES (?, 'default', ?)`, uuid.NewString(), s.now().Unix()); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO parameters VALUES ('cluster_id', ?)`, uuid.NewString())
	return err
}

// Close closes the database.
func (s *Store) Close() error {
	return errors.Join(s.read.Close(), s.write.Close())
}

// Ping reports whether the database can be read.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return failure("ping", s.read.QueryRowContext(ctx, `SELECT 1 FROM parameters LIMIT 1`).Scan(&one))
}

// Changes holds one token after any number of changes to what is exported. It
// has one receiver: the one who publishes the configuration.
func (s *Store) Changes() <-chan struct{} { return s.changes }

func (s *Store) changed() {
	select {
	case s.changes <- struct{}{}:
	default: // the token of an earlier change is still there
	}
}

// Watch gives Changes a token when another control plane has changed the database
// that it shares with this one. It looks at every interval until ctx ends. A look
// that fails is made again: a database that cannot be read shows itself to the next
// who needs it.
func (s *Store) Watch(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var revision int64
		if s.read.QueryRowContext(ctx, `SELECT number FROM revision`).Scan(&revision) == nil && s.advance(revision) {
			s.changed()
		}
	}
}

// advance notes the latest revision that is known here and says whether it is news.
func (s *Store) advance(revision int64) bool {
	for {
		known := s.revision.Load()
		if revision <= known {
			return false
		}
		if s.revision.CompareAndSwap(known, revision) {
			return true
		}
	}
}

// alter runs do in a writing transaction that changes what is exported.
func (s *Store) alter(ctx context.Context, do func(*sql.Tx) error) error {
	var revision int64
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if err := do(tx); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `UPDATE revision SET number = number + 1 RETURNING number`).Scan(&revision)
	})
	if err == nil {
		s.advance(revision) // its caller tells
	}
	return err
}

// transact runs do in a writing transaction and commits unless it fails.
func (s *Store) transact(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return failure("begin", err)
	}
	if err := do(tx); err != nil {
		// The rollback's own failure says nothing more: the connection is gone
		// and the transaction with it.
		_ = tx.Rollback()
		return failure("write", err)
	}
	return failure("commit", tx.Commit())
}

// failure names the operation of a database error; refusals go through as they
// are.
func failure(operation string, err error) error {
	var refusal *entity.Error
	if err == nil || errors.As(err, &refusal) {
		return err
	}
	return fmt.Errorf("database %s: %w", operation, err)
}
