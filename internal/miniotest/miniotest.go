// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package miniotest runs a real MinIO beside a test.
package miniotest

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"
)

// Variable is the environment variable that names a MinIO server's binary.
const Variable = "BLACKOUT_MINIO"

// The root account of the servers that [Start] starts.
const (
	User     = "root-user"
	Password = "root-password"
)

// patience bounds a server's start.
const patience = 30 * time.Second

// Start starts the server that [Variable] names on loopback, with its root
// account and an environment beside that, and returns its address once it takes
// requests. It ends with the test, which is skipped if there is no such server.
func Start(t *testing.T, environment ...string) string {
	t.Helper()
	binary := os.Getenv(Variable)
	if binary == "" {
		t.Skipf("set %s to a MinIO server's path to test against it", Variable)
	}
	address := freeAddress(t)
	process := exec.CommandContext(t.Context(), binary, "server", "--address", address, t.TempDir())
	process.Env = append(os.Environ(), "MINIO_ROOT_USER="+User, "MINIO_ROOT_PASSWORD="+Password)
	process.Env = append(process.Env, environment...)
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// It is killed with the test's context; its exit status says just that.
		_ = process.Wait()
	})
	waitReady(t, address)
	return address
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return address
}

// waitReady asks as a cluster's health is asked for: to the other two questions a
// server answers 200 while it still refuses every request.
func waitReady(t *testing.T, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/minio/health/cluster", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("MinIO at %s is not up after %s (%v)", address, patience, err)
		}
	}
}
