// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package store is the control plane's database: entities, the cluster's
// identity and the data planes seen, in a SQLite file or in PostgreSQL. Its
// central type is [Store].
//
//	db, err := store.Open(ctx, store.Options{Path: "/var/lib/gateway/blackout.db"})
//	defer db.Close()
//	service, err := db.Create(ctx, entity.Services, record)
//	<-db.Changes()                // something was written
//	delta, err := db.Since(ctx, store.Position{})  // one consistent view of everything
//
// The tables know nothing of any kind of entity: an entity is a JSON body, and
// beside it stand its unique values, its references and its tags, so that a new
// kind needs no migration.
//
// Writers take turns, also those of different control planes on one database:
// every change begins by taking the next revision, whose row is locked until
// the change is committed. So what a change was checked against still holds
// when it is written, and revisions become visible in their order.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"blackout/internal/gateway/entity"
)

// Options say where the database is: Path or Postgres must be set.
type Options struct {
	Path     string    // a SQLite file, made if it does not exist
	Postgres *Postgres // a PostgreSQL server; Path is then unused

	// Timeout bounds every call but Export: a database that does not answer
	// must not hold up a control plane (Kong 3.9 pg_timeout: 5 s).
	Timeout time.Duration
	// ExportTimeout bounds the reading of everything; 30 s.
	ExportTimeout time.Duration

	Now func() time.Time // time.Now
}

const (
	defaultTimeout       = 5 * time.Second
	defaultExportTimeout = 30 * time.Second
)

// Store is an open database. It is safe for concurrent use.
type Store struct {
	write   *sql.DB
	read    *sql.DB // the same as write for PostgreSQL
	dialect dialect
	options Options
	changes chan struct{}

	mu   sync.Mutex
	told Position // the latest state that was opened or that Changes has told of

	// committing is held for reading from before a commit until its revision is
	// known, so that who holds it for writing does not take a change of this
	// store's for another's.
	committing sync.RWMutex
}

// Open opens the database, and makes its tables if they are not there.
func Open(ctx context.Context, options Options) (*Store, error) {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Timeout <= 0 {
		options.Timeout = defaultTimeout
	}
	if options.ExportTimeout <= 0 {
		options.ExportTimeout = max(defaultExportTimeout, options.Timeout)
	}
	s := &Store{options: options, changes: make(chan struct{}, 1)}
	name, err := s.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", name, err)
	}
	err = s.migrate(ctx)
	if err == nil {
		// Who opens a database reads it: only what comes after that is news.
		s.told, _, err = s.look(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", name, err), s.Close())
	}
	return s, nil
}

// connect prepares the connections and returns what to call the database.
func (s *Store) connect(ctx context.Context) (name string, err error) {
	if s.options.Postgres != nil {
		s.dialect = postgres
		s.write, err = s.options.Postgres.open(s.options.Timeout)
		s.read = s.write
		return s.options.Postgres.String(), err
	}
	s.dialect = sqlite
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	if s.write, err = openSQLite(ctx, s.options.Path, 1); err != nil {
		return s.options.Path, err
	}
	if s.read, err = openSQLite(ctx, s.options.Path, readers); err != nil {
		return s.options.Path, errors.Join(err, s.write.Close())
	}
	return s.options.Path, nil
}

// Close closes the database.
func (s *Store) Close() error {
	if s.read == s.write {
		return s.write.Close()
	}
	return errors.Join(s.read.Close(), s.write.Close())
}

// Ping reports whether the database can be read.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	var one int
	return failure("ping", s.read.QueryRowContext(ctx, `SELECT 1 FROM parameters LIMIT 1`).Scan(&one))
}

// bound gives a call the time it may take.
func (s *Store) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.options.Timeout)
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
// that it shares with this one, or when the database is another one than before.
// It looks at every interval until ctx ends, and tells report how that went; nil
// is somebody who does not care.
func (s *Store) Watch(ctx context.Context, interval time.Duration, report func(error)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	cluster := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		before := s.known()
		found, of, err := s.look(ctx)
		if ctx.Err() != nil {
			return
		}
		if report != nil {
			report(err)
		}
		if err != nil {
			continue
		}
		another := cluster != "" && cluster != of
		cluster = of
		s.committing.Lock() // what was seen is known now, if it was made here
		news := s.learn(before, found)
		s.committing.Unlock()
		if news || another {
			s.changed()
		}
	}
}

// look reads the database's state and whose it is.
func (s *Store) look(ctx context.Context) (state Position, cluster string, err error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	err = s.read.QueryRowContext(ctx, identity).Scan(&state.Revision, &state.mark, &cluster)
	return state, cluster, failure("read", err)
}

func (s *Store) known() Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told
}

// advance notes a state that was made here.
func (s *Store) advance(to Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if to.Revision > s.told.Revision {
		s.told = to
	}
}

// learn notes a state that was read after before was the latest known, and says
// whether it is news. If a change was made here meanwhile, only a later state is;
// otherwise any other one: a database that was put back to an earlier state, or
// replaced, may have come to any revision since.
func (s *Store) learn(before, found Position) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found == s.told || s.told != before && found.Revision <= s.told.Revision {
		return false
	}
	s.told = found
	return true
}

// ErrUnchanged is what the function of [Store.Alter] returns if there turned out
// to be nothing to write; Alter itself returns nil then.
var ErrUnchanged = errors.New("nothing changed")

// Alter runs do in a writing transaction that changes what is exported. Its
// error undoes the whole and is returned as it is.
func (s *Store) Alter(ctx context.Context, do func(ctx context.Context, tx *Tx) error) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	var made Position
	err := s.transact(ctx, func() { s.advance(made) }, func(inner *sql.Tx) error {
		tx := &Tx{querier: querier{inner, s.dialect}, now: s.options.Now()}
		if err := tx.step(ctx); err != nil {
			return err
		}
		made = Position{tx.revision, tx.mark}
		if err := tx.expire(ctx); err != nil {
			return err
		}
		return do(ctx, tx)
	})
	switch {
	case errors.Is(err, ErrUnchanged):
		return nil
	case err == nil:
		s.changed()
	}
	return err
}

// transact runs do in a writing transaction and commits unless it fails; then,
// if committed is set, it calls that before anybody looks at what changed.
func (s *Store) transact(ctx context.Context, committed func(), do func(*sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, s.dialect.writing)
	if err != nil {
		return failure("begin", err)
	}
	if err := do(tx); err != nil {
		// The rollback's own failure says nothing more: the connection is gone
		// and the transaction with it.
		_ = tx.Rollback()
		return failure("write", err)
	}
	s.committing.RLock()
	defer s.committing.RUnlock()
	err = tx.Commit()
	if err == nil && committed != nil {
		committed()
	}
	return failure("commit", err)
}

// failure names the operation of a database error; refusals go through as they
// are.
func failure(operation string, err error) error {
	var refusal *entity.Error
	if err == nil || errors.Is(err, ErrUnchanged) || errors.As(err, &refusal) {
		return err
	}
	return fmt.Errorf("database %s: %w", operation, err)
}
