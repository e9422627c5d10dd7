// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/tls"
	"database/sql"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// Postgres says how a PostgreSQL server is reached; the fields are Kong 3.9's
// pg_host, pg_port and so on.
type Postgres struct {
	Host     string
	Port     int // 5432
	User     string
	Password string
	Database string
	Schema   string // the server's default if empty

	TLS         *tls.Config // nil: unencrypted (pg_ssl=off)
	TLSRequired bool        // a server without TLS is refused (pg_ssl_required)

	Connections int           // at most so many at once; 10
	IdleTime    time.Duration // after which an idle connection is closed; 0: never
}

const defaultConnections = 10

// String names the database without its secrets.
func (p *Postgres) String() string {
	return (&url.URL{Scheme: "postgres", User: url.User(p.User), Host: p.address(), Path: "/" + p.Database}).String()
}

func (p *Postgres) address() string {
	port := p.Port
	if port == 0 {
		port = 5432
	}
	return net.JoinHostPort(p.Host, strconv.Itoa(port))
}

// open prepares the connections; the first statement makes one.
func (p *Postgres) open(timeout time.Duration) (*sql.DB, error) {
	// The environment (PGHOST, PGPASSWORD …) and a password file would fill in
	// what is left out; what this text sets, they cannot.
	config, err := pgx.ParseConfig(p.String() + "?sslmode=disable")
	if err != nil {
		return nil, fmt.Errorf("database parameters: %w", err)
	}
	config.Password = p.Password
	config.TLSConfig = p.TLS
	config.ConnectTimeout = timeout
	if p.TLS != nil && !p.TLSRequired {
		config.Fallbacks = []*pgconn.FallbackConfig{{Host: config.Host, Port: config.Port}}
	}
	config.RuntimeParams = map[string]string{
		"application_name": "blackout",
		// A control plane that is cut off in the middle of a change must not
		// keep the others waiting for its lock.
		"idle_in_transaction_session_timeout": strconv.FormatInt((2 * timeout).Milliseconds(), 10),
	}
	if p.Schema != "" {
		config.RuntimeParams["search_path"] = pgx.Identifier{p.Schema}.Sanitize()
	}
	db := stdlib.OpenDB(*config)
	connections := p.Connections
	if connections <= 0 {
		connections = defaultConnections
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	db.SetConnMaxIdleTime(p.IdleTime)
	return db, nil
}
