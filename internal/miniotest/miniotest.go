// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package miniotest runs a real MinIO beside a test.
package miniotest

import (
	"os"
	"path/filepath"
	"testing"

	"blackout/fixtures"
	"blackout/internal/programtest"
)

// Variable is the environment variable that names a MinIO server's binary.
const Variable = "BLACKOUT_MINIO"

// The root account of the servers that [Start] starts.
const (
	User     = "root-user"
	Password = "root-password"
)

// health is answered as a cluster's health is: to the other two questions a server
// answers 200 while it still refuses every request.
const health = "/minio/health/cluster"

// Start starts the server that [Variable] names on loopback, with its root
// account and an environment beside that, and returns its address once it takes
// requests. It ends with the test, which is skipped if there is no such server.
func Start(t *testing.T, environment ...string) string {
	t.Helper()
	return server(t, environment).Start(t)
}

// StartTLS starts the server as [Start] does, with https and a certificate that the
// authority makes.
func StartTLS(t *testing.T, authority *fixtures.Authority, environment ...string) string {
	t.Helper()
	programtest.Binary(t, Variable) // nothing is made for a test that is skipped
	identity, err := authority.Server("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := programtest.WriteFiles(t, dir, "public", identity.Certificate, identity.Key, authority.Certificate)
	// MinIO wants its own name for the key.
	if err := os.Rename(files.Key, filepath.Join(dir, "private.key")); err != nil {
		t.Fatal(err)
	}
	started := server(t, environment, "--certs-dir", dir)
	started.Roots = files.Roots
	return started.Start(t)
}

func server(t *testing.T, environment []string, arguments ...string) programtest.Server {
	dir := t.TempDir()
	return programtest.Server{
		Variable: Variable,
		Arguments: func(address string) []string {
			return append([]string{"server", "--address", address}, append(arguments, dir)...)
		},
		Environment: append([]string{"MINIO_ROOT_USER=" + User, "MINIO_ROOT_PASSWORD=" + Password, "MINIO_BROWSER=off"}, environment...), // its console would take a port, too
		Health:      health,
	}
}
