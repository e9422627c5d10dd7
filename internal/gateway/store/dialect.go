// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	driver "modernc.org/sqlite" // the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// dialect is what the two databases' SQL differs in. Statements are written
// for SQLite, with a question mark for each argument.
type dialect struct {
	numbered bool // arguments are $1, $2 …

	// The types of a table's columns, and what stands after them. Texts are
	// compared bytewise.
	text, integer, suffix string

	lock    string         // taken by who creates the tables; empty if a writing transaction is lock enough
	reading *sql.TxOptions // a transaction that sees one state of everything
	writing *sql.TxOptions // one that sees what was committed while it waited for its turn
}

var sqlite = dialect{text: "TEXT", integer: "INTEGER", suffix: " STRICT", reading: &sql.TxOptions{ReadOnly: true}}

var postgres = dialect{
	numbered: true, text: `TEXT COLLATE "C"`, integer: "BIGINT",
	lock:    `SELECT pg_advisory_xact_lock(4720011891)`, // any number that nobody else on the server uses
	reading: &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
	writing: &sql.TxOptions{Isolation: sql.LevelReadCommitted},
}

// statement turns a statement into the dialect's form. No statement of this
// package has a question mark in a literal.
func (d dialect) statement(text string) string {
	if !d.numbered {
		return text
	}
	var numbered strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(text, "?")
		numbered.WriteString(before)
		if !found {
			return numbered.String()
		}
		numbered.WriteByte('$')
		numbered.WriteString(strconv.Itoa(n))
		text = after
	}
}

// querier runs statements in a dialect: on the database, or in a transaction.
type querier struct {
	on interface {
		QueryContext(ctx context.Context, query string, arguments ...any) (*sql.Rows, error)
		ExecContext(ctx context.Context, query string, arguments ...any) (sql.Result, error)
	}
	dialect dialect
}

func (q querier) exec(ctx context.Context, statement string, arguments ...any) error {
	_, err := q.on.ExecContext(ctx, q.dialect.statement(statement), arguments...)
	return err
}

// each calls row for every row of a query's result.
func (q querier) each(ctx context.Context, row func(*sql.Rows) error, statement string, arguments ...any) error {
	result, err := q.on.QueryContext(ctx, q.dialect.statement(statement), arguments...)
	if err != nil {
		return err
	}
	defer func() { _ = result.Close() }() // its error is that of Err
	for result.Next() {
		if err := row(result); err != nil {
			return err
		}
	}
	return result.Err()
}

// readers is how many connections read a SQLite file beside the one that
// writes it.
const readers = 4

// openSQLite opens a file that other processes may be opening just now. While one makes
// a new file one with a write-ahead log, SQLite refuses the others without waiting as
// long as it was told to, so that they try again.
func openSQLite(ctx context.Context, path string, connections int) (*sql.DB, error) {
	lock := "immediate"
	if connections > 1 {
		lock = "deferred"
	}
	source := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: url.Values{
		"_txlock": {lock},
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "foreign_keys(1)"},
	}.Encode()}
	if err := makePrivate(path); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", source.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	for err = db.PingContext(ctx); isBusy(err); err = db.PingContext(ctx) {
		select {
		case <-ctx.Done():
			return nil, errors.Join(err, db.Close())
		case <-time.After(busyPause):
		}
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// busyPause is how long an opener waits before it tries again.
const busyPause = 10 * time.Millisecond

// isBusy says whether another process has SQLite's file locked.
func isBusy(err error) bool {
	failed, ok := errors.AsType[*driver.Error](err)
	return ok && failed.Code()&0xff == sqlite3.SQLITE_BUSY
}

// makePrivate makes the file of a new database: SQLite would let everybody read
// it, and private keys are in there. Its other files get the same mode. A file
// that is there is left alone, because to open and close it would take the locks
// off it that this process has.
func makePrivate(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return file.Close()
}
