// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package pgtest runs a PostgreSQL server for a test. Its central type is
// [Server].
//
//	server := pgtest.Start(t)               // skips the test without PostgreSQL
//	db, err := store.Open(ctx, store.Options{Postgres: server.NewDatabase(t)})
//	server.Stop(t)                          // as a crash would
//	server.Resume(t)
//
// The server is Debian's (apt-get install postgresql), on a free port of the
// loopback interface, with a cluster of its own that is removed with the test.
package pgtest

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"blackout/internal/gateway/store"
)

// Binaries is the environment variable that names the directory of PostgreSQL's
// programs, where they are not in their usual place.
const Binaries = "BLACKOUT_POSTGRES"

const (
	superuser = "tester"
	password  = "a-password-of-the-test"

	startTimeout = 30 * time.Second
)

// Server is a running PostgreSQL server.
type Server struct {
	bin, data  string
	port       int
	credential *syscall.Credential

	process *exec.Cmd
	log     bytes.Buffer
	exited  chan struct{}
}

// Start starts a server that ends with the test. Where PostgreSQL is not
// installed the test is skipped.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{bin: find()}
	if s.bin == "" {
		t.Skipf("there is no PostgreSQL here: apt-get install postgresql, or let %s name the directory of its programs", Binaries)
	}
	home, err := os.MkdirTemp("", "blackout-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	s.data = filepath.Join(home, "data")
	if err := s.dropPrivileges(home); err != nil {
		t.Skipf("PostgreSQL does not run as root, and there is nobody to run it as: %v", err)
	}
	s.initialize(t, home)
	s.port = freePort(t)
	s.Resume(t)
	t.Cleanup(func() { s.Stop(t) })
	return s
}

// find returns the directory of the newest PostgreSQL's programs, or "".
func find() string {
	if dir := os.Getenv(Binaries); dir != "" {
		return dir
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		return ""
	}
	version := func(path string) int {
		number, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		return number
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) }))
}

// dropPrivileges makes the server run as somebody else if this is root.
func (s *Server) dropPrivileges(home string) error {
	if os.Getuid() != 0 {
		return nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		if account, err = user.Lookup("nobody"); err != nil {
			return err
		}
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return err
	}
	s.credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(home, int(uid), int(gid))
}

func (s *Server) command(name string, arguments ...string) *exec.Cmd {
	command := exec.Command(filepath.Join(s.bin, name), arguments...)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential, Pdeathsig: syscall.SIGKILL}
	command.Dir = "/"
	return command
}

func (s *Server) initialize(t testing.TB, home string) {
	t.Helper()
	secret := filepath.Join(home, "password")
	if err := os.WriteFile(secret, []byte(password), 0o644); err != nil { //nolint:gosec // the server's user must read it
		t.Fatal(err)
	}
	output, err := s.command("initdb", "-D", s.data, "-U", superuser, "--pwfile", secret, "--auth=scram-sha-256",
		"--encoding=UTF8", "--locale=C.UTF-8", "--no-sync").CombinedOutput()
	if err != nil {
		t.Fatalf("initdb: %v\n%s", err, output)
	}
}

// Resume starts the server again after [Server.Stop], and waits until it takes
// connections.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	s.log.Reset()
	s.process = s.command("postgres", "-D", s.data, "-h", "127.0.0.1", "-p", strconv.Itoa(s.port), "-k", "",
		"-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=50") // a crash of the machine may cost what is in it
	s.process.Stdout, s.process.Stderr = &s.log, &s.log
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	s.exited = make(chan struct{})
	go func(process *exec.Cmd, exited chan struct{}) {
		defer close(exited)
		_ = process.Wait() // how it ended shows in its log
	}(s.process, s.exited)
	s.await(t)
}

func (s *Server) await(t testing.TB) {
	t.Helper()
	db := s.open(t, "postgres")
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for db.PingContext(ctx) != nil {
		select {
		case <-tick.C:
		case <-s.exited:
			t.Fatalf("PostgreSQL ended:\n%s", &s.log)
		case <-ctx.Done():
			t.Fatalf("PostgreSQL does not answer after %s", startTimeout)
		}
	}
}

// Stop ends the server at once, and every connection to it with it.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if s.process == nil {
		return
	}
	if err := s.process.Process.Signal(syscall.SIGQUIT); err != nil { // an immediate shutdown
		t.Log(err)
	}
	<-s.exited
	s.process = nil
}

// NewDatabase makes an empty database.
func (s *Server) NewDatabase(t testing.TB) *store.Postgres {
	t.Helper()
	name := "test_" + uuid.NewString()
	db := s.open(t, "postgres")
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), fmt.Sprintf("CREATE DATABASE %q", name)); err != nil {
		t.Fatal(err)
	}
	return &store.Postgres{Host: "127.0.0.1", Port: s.port, User: superuser, Password: password, Database: name}
}

// Port is where the server listens on the loopback interface.
func (s *Server) Port() int { return s.port }

func (s *Server) open(t testing.TB, database string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable", superuser, password, s.port, database))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func freePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}
