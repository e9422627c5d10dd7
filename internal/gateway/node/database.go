// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/store"
)

// openDatabase opens the control plane's database. A node whose database cannot
// be reached does not start (Kong 3.9).
func (n *Node) openDatabase(ctx context.Context) (*store.Store, error) {
	options, err := databaseOptions(n.options.Config)
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, options)
	if err != nil {
		return nil, err
	}
	n.release = append(n.release, db.Close)
	return db, nil
}

// databaseOptions say where a control plane's database is.
func databaseOptions(config *conf.Config) (store.Options, error) {
	if config.Database != conf.PostgreSQL {
		return store.Options{Path: config.SQLitePath}, nil
	}
	server, err := postgresOf(config)
	if err != nil {
		return store.Options{}, err
	}
	return store.Options{Postgres: server, Timeout: config.Postgres.Timeout}, nil
}

func postgresOf(config *conf.Config) (*store.Postgres, error) {
	given := config.Postgres
	server := &store.Postgres{
		Host: given.Host, Port: given.Port, User: given.User, Password: given.Password, Database: given.Database, Schema: given.Schema,
		TLSRequired: given.SSLRequired, Connections: given.MaxConcurrentQueries, IdleTime: given.KeepaliveTimeout,
	}
	if !given.SSL {
		return server, nil
	}
	var err error
	server.TLS, err = postgresTLS(given, config.Trust)
	return server, err
}

// postgresTLS is how TLS is spoken with the server: as Kong does, its
// certificate is checked only if pg_ssl_verify asks for it.
func postgresTLS(given conf.Postgres, trust conf.Trust) (*tls.Config, error) {
	config := &tls.Config{ServerName: given.Host, MinVersion: tls.VersionTLS12}
	switch given.SSLVersion {
	case "tlsv1_1", "any":
		config.MinVersion = tls.VersionTLS11 //nolint:gosec // the user's choice, for an old server
	case "tlsv1_3":
		config.MinVersion = tls.VersionTLS13
	}
	if given.ClientTLS != nil {
		pair, err := tls.X509KeyPair(given.ClientTLS.Certificate, given.ClientTLS.Key)
		if err != nil {
			return nil, fmt.Errorf("pg_ssl_cert: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if !given.SSLVerify {
		config.InsecureSkipVerify = true //nolint:gosec // pg_ssl_verify = off is the user's choice, and Kong's default
		return config, nil
	}
	roots := x509.NewCertPool()
	if trust.System {
		var err error
		if roots, err = x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("lua_ssl_trusted_certificate: the host's authorities: %w", err)
		}
	}
	if len(trust.PEM) > 0 && !roots.AppendCertsFromPEM(trust.PEM) {
		return nil, errors.New("lua_ssl_trusted_certificate: there is no certificate in it")
	}
	config.RootCAs = roots
	return config, nil
}

// watchDatabase looks for changes that other control planes make, and tells in
// one line each when the database goes and when it comes back.
func (cp *controlPlane) watchDatabase(ctx context.Context) error {
	reachable := true
	cp.db.Watch(ctx, max(cp.node.options.Config.DBUpdateFrequency, time.Millisecond), func(err error) {
		switch {
		case err != nil && reachable:
			cp.node.log.Error("database.unreachable", "error", err)
		case err == nil && !reachable:
			cp.node.log.Info("database.reachable")
		}
		reachable = err == nil
		cp.access.watched(err, cp.backup.online)
	})
	return nil
}

// access is how the last attempts ended of those two who read a control plane's
// database: the watch asks for its revision alone, the publication reads what is in it
// and is tried again until it can. The exporter, which is told by online, has its
// database while both can.
type access struct {
	mu        sync.Mutex
	unwatched bool
	unread    bool
}

func (a *access) watched(err error, online func(bool)) { a.note(&a.unwatched, err, online) }
func (a *access) read(err error, online func(bool))    { a.note(&a.unread, err, online) }

func (a *access) note(failed *bool, err error, online func(bool)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	*failed = err != nil
	online(!a.unwatched && !a.unread)
}

// wipeGuard keeps an emptied database from emptying the data planes. A control
// plane that has published entities takes a database without any for real only
// if they were deleted one by one through a control plane: then it is the same
// database, and its revision has grown. A database that was lost, made anew or
// put back to a state before everything is none of that.
//
// Kong 3.9 pushes what it reads; blackout_push_empty=on does that too.
type wipeGuard struct {
	log       *slog.Logger
	pushEmpty bool

	published *contents // the latest
	warned    bool      // of the emptiness that lasts
}

// contents is what the guard looks at of a database.
type contents struct {
	entities int
	revision int64
	cluster  string // another one is another database
}

// allows reports whether what was found may be published.
func (g *wipeGuard) allows(found contents) bool {
	before := g.published
	wiped := before != nil && before.entities > 0 && found.entities == 0 &&
		(found.cluster != before.cluster || found.revision <= before.revision)
	if wiped && !g.pushEmpty {
		if !g.warned {
			g.log.Error("database.emptied", "entities", before.entities, "revision", before.revision, "found", found.revision,
				"hint", "the data planes keep the configuration they have; restore the database, or set blackout_push_empty to take it as it is")
		}
		g.warned = true
		return false
	}
	g.warned = false
	g.published = &found
	return true
}
