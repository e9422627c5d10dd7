// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package database

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"blackout/harness/engine"
)

// Name is the server's, as a node of its engine.
const Name = "database"

// PortSQL is the port at which the server takes connections.
const PortSQL = "sql"

// Role is the one that gateways connect as. It owns their databases, and may not
// make others.
const Role = "kong"

// administrator may do everything, over the socket in the server's own directory.
const administrator = "blackout"

// Options say for which run a server is.
type Options struct {
	// Host runs processes of this machine, at an address that the gateways'
	// proxies reach.
	Host engine.Engine

	// Run is the run's id, which the server's processes show in their titles.
	Run string

	// Allow is where connections may come from.
	Allow netip.Prefix
}

// Server is a running PostgreSQL.
type Server struct {
	installed Installation
	options   Options
	user      string
	password  string
	site      engine.Site
	node      engine.Node

	mu    sync.Mutex  // one at a time talks to the server as its administrator
	shell engine.Site // of who does
	made  map[string]bool
}

// startLimit bounds the making and the start of a server.
const startLimit = time.Minute

// Start makes a server and waits until it takes connections. The error wraps
// [engine.ErrUnsupported] if this machine or user cannot run one. Its node is the
// host engine's, which ends it.
func (i Installation) Start(ctx context.Context, o Options) (*Server, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("it is not ready after %s", startLimit))
	defer cancel()
	account, err := runAs()
	if err != nil {
		return nil, err
	}
	s := &Server{installed: i, options: o, user: account, password: rand.Text(), made: make(map[string]bool)}
	if s.site, err = o.Host.Reserve(ctx, Name, s.program(postgres), PortSQL); err != nil {
		return nil, err
	}
	if s.shell, err = o.Host.Reserve(ctx, Name+"-administration", s.program(psql)); err != nil {
		return nil, err
	}
	if err := s.initialise(ctx); err != nil {
		return nil, fmt.Errorf("make a database with %s: %w", i, err)
	}
	if err := s.serve(ctx); err != nil {
		return s, fmt.Errorf("start %s: %w", i, err)
	}
	return s, s.sql(ctx, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s';", Role, s.password))
}

func (s *Server) program(name string) engine.Program {
	return engine.Program{Name: name, Binary: filepath.Join(s.installed.Dir, name)}
}

// Node is the server's process; nil if it was never started.
func (s *Server) Node() engine.Node { return s.node }

// Address is where the server takes connections, "host:port".
func (s *Server) Address() string { return s.site.Peer(PortSQL) }

// Password is the gateways', for those who keep it out of what they write.
func (s *Server) Password() string { return s.password }

// Environment is a gateway's way to its database, in Kong's parameters, if it
// reaches the server at an address, "host:port". The server speaks no TLS.
func (s *Server) Environment(database, address string) (map[string]string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("address of database %s: %w", database, err)
	}
	return map[string]string{
		"KONG_DATABASE": "postgres",
		"KONG_PG_HOST":  host, "KONG_PG_PORT": port, "KONG_PG_SSL": "off",
		"KONG_PG_USER": Role, "KONG_PG_PASSWORD": s.password, "KONG_PG_DATABASE": database,
	}, nil
}

// data is where the server keeps what it has, and its socket.
func (s *Server) data() string { return filepath.Join(s.site.Dir(), "data") }

// initialise makes the server's files, as the account that it is to run under. That
// takes a second, which the copy of a template would hardly shorten.
func (s *Server) initialise(ctx context.Context) error {
	maker, err := s.options.Host.Reserve(ctx, Name+"-files", s.program(initdb))
	if err != nil {
		return err
	}
	made := filepath.Join(maker.Dir(), "data")
	if err := s.finish(ctx, maker, engine.Process{User: s.user, Args: []string{
		"--pgdata", made, "--username", administrator, "--auth", "reject", // the server is given rules of its own
		"--encoding", "UTF8", "--locale", "C", "--wal-segsize", "1", "--no-sync", "--no-instructions",
	}}); err != nil {
		return err
	}
	return os.Rename(made, s.data())
}

// serve starts the server and waits until it says that it is ready.
func (s *Server) serve(ctx context.Context) error {
	host, port, err := net.SplitHostPort(s.site.Listen(PortSQL))
	if err != nil {
		return err
	}
	rules := fmt.Sprintf("local all %s trust\nhost all %s %s scram-sha-256\n", administrator, Role, s.options.Allow.Masked())
	args := []string{"-D", s.data()}
	for _, setting := range []string{
		"listen_addresses=" + host, "port=" + port, "unix_socket_directories=" + s.data(), "hba_file=" + filepath.Join(s.site.Dir(), rulesFile),
		"cluster_name=" + s.options.Run,
		"fsync=off", "synchronous_commit=off", "full_page_writes=off",
		"shared_buffers=16MB", "max_wal_size=64MB", "dynamic_shared_memory_type=mmap", // which goes with the files
		"log_min_error_statement=panic", // a statement may hold a secret
		"authentication_timeout=10min",  // a witness holds a connection for as long as a fault lasts
	} {
		args = append(args, "-c", setting)
	}
	s.node, err = s.options.Host.Start(ctx, s.site, engine.Process{User: s.user, Args: args, Files: map[string][]byte{rulesFile: []byte(rules)}})
	if err != nil {
		return s.explained(ctx, s.node, err)
	}
	return s.poll(ctx, s.node, func(state engine.State) (bool, error) {
		if !state.Running {
			return false, engine.ErrEnded
		}
		return s.ready()
	})
}

// rulesFile says who may connect, in the server's directory.
const rulesFile = "pg_hba.conf"

// ready says whether the server takes connections, by the last line of its lock file,
// as pg_ctl does.
func (s *Server) ready() (bool, error) {
	text, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.TrimSpace(lines[len(lines)-1]) == "ready", err
}

// Create makes a database for gateways, unless it was made before.
func (s *Server) Create(ctx context.Context, database string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made[database] {
		return nil
	}
	if err := s.sql(ctx, fmt.Sprintf("CREATE DATABASE %s OWNER %s;", quoted(database), Role)); err != nil {
		return fmt.Errorf("make database %s: %w", database, err)
	}
	s.made[database] = true
	return nil
}

// quoted is a name in SQL.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

const scriptFile = "script.sql"

// sql lets the administrator carry out statements. They are in nobody's arguments,
// and an error does not quote them.
func (s *Server) sql(ctx context.Context, statements string) error {
	_, port, err := net.SplitHostPort(s.site.Listen(PortSQL))
	if err != nil {
		return err
	}
	return s.finish(ctx, s.shell, engine.Process{
		User: s.user, Files: map[string][]byte{scriptFile: []byte(statements)},
		Args: []string{
			"--no-psqlrc", "--quiet", "--no-password", "--set", "ON_ERROR_STOP=1", "--set", "VERBOSITY=terse", "--host", s.data(), "--port", port,
			"--username", administrator, "--dbname", "postgres", "--file", scriptFile,
		},
	})
}

// finish starts a program that ends by itself, and waits until it has done its work.
func (s *Server) finish(ctx context.Context, site engine.Site, process engine.Process) error {
	node, err := s.options.Host.Start(ctx, site, process)
	if err != nil && (node == nil || !errors.Is(err, engine.ErrEnded)) {
		return err
	}
	return s.poll(ctx, node, func(state engine.State) (bool, error) {
		if !state.Running && state.ExitCode != 0 {
			return false, fmt.Errorf("it ended with code %d", state.ExitCode)
		}
		return !state.Running, nil
	})
}

// pollInterval is how late the end of a program is noticed at most.
const pollInterval = 10 * time.Millisecond

// poll looks at a program until done says so.
func (s *Server) poll(ctx context.Context, node engine.Node, done func(engine.State) (bool, error)) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		state, err := node.State(ctx)
		if err != nil {
			return err
		}
		if ok, err := done(state); ok || err != nil {
			return s.explained(ctx, node, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return s.explained(ctx, node, context.Cause(ctx))
		}
	}
}
