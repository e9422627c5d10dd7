// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package versitytest runs a real versitygw, an S3 server over a directory, beside
// a test.
package versitytest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"blackout/fixtures"
	"blackout/internal/programtest"
)

// Variable is the environment variable that names a versitygw's binary.
const Variable = "BLACKOUT_VERSITYGW"

// The root account of the servers.
const (
	User     = "root-user"
	Password = "root-password"
)

// Server is a versitygw that runs.
type Server struct {
	Endpoint  string // its URL
	authority string // file of the certificate of an https endpoint's authority
}

// Start starts the server that [Variable] names on loopback; with an authority it
// speaks https with a certificate of it. It ends with the test, which is skipped if
// there is no such server.
func Start(t *testing.T, authority *fixtures.Authority) Server {
	t.Helper()
	programtest.Binary(t, Variable)
	dir, accounts := t.TempDir(), t.TempDir()
	arguments := []string{"--health", "/health", "--iam-dir", accounts}
	server := programtest.Server{Variable: Variable, Health: "/health",
		Environment: []string{"ROOT_ACCESS_KEY=" + User, "ROOT_SECRET_KEY=" + Password}}
	started := Server{Endpoint: "http://"}
	if authority != nil {
		identity, err := authority.Server("127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		files := programtest.WriteFiles(t, accounts, "server", identity.Certificate, identity.Key, authority.Certificate)
		arguments = append(arguments, "--cert", files.Certificate, "--key", files.Key)
		server.Roots = files.Roots
		started = Server{Endpoint: "https://", authority: filepath.Join(accounts, "authority.crt")}
		if err := os.WriteFile(started.authority, authority.Certificate, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server.Arguments = func(address string) []string {
		return append(append(arguments, "--port", address), "posix", dir)
	}
	started.Endpoint += server.Start(t)
	return started
}

// AddUser makes an account, which may do what a bucket's policy allows it.
func (s Server) AddUser(t *testing.T, access, secret string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), programtest.Binary(t, Variable), "admin",
		"--access", User, "--secret", Password, "--endpoint-url", s.Endpoint, "create-user", "--access", access, "--secret", secret, "--role", "user")
	if s.authority != "" {
		command.Env = append(os.Environ(), "SSL_CERT_FILE="+s.authority)
	}
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("create user: %v: %s", err, bytes.TrimSpace(output))
	}
}
