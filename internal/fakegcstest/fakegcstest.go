// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package fakegcstest runs fake-gcs-server, an independent implementation of Google
// Cloud Storage's APIs, beside a test.
package fakegcstest

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Variable is the environment variable that names fake-gcs-server's binary, which
// tools/fakegcs builds.
const Variable = "BLACKOUT_FAKEGCS"

// patience bounds the server's start.
const patience = 30 * time.Second

// Start starts the server that [Variable] names on loopback, with its objects in
// memory, makes a bucket, and returns its URL. It asks for no token. It ends with
// the test, which is skipped if there is no such server.
func Start(t *testing.T, bucket string) string {
	t.Helper()
	binary := os.Getenv(Variable)
	if binary == "" {
		t.Skipf("set %s to a fake-gcs-server's path to test against it", Variable)
	}
	host, port, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	// The XML API answers under the public host alone.
	process := exec.CommandContext(t.Context(), binary, "-backend", "memory", "-scheme", "http", "-host", host, "-port", port, "-public-host", host,
		"-log-level", "error")
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// It is killed with the test's context; its exit status says just that.
		_ = process.Wait()
	})
	url := "http://" + net.JoinHostPort(host, port)
	waitReady(t, url)
	makeBucket(t, url, bucket)
	return url
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

func waitReady(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/_internal/healthcheck", http.NoBody)
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
			t.Fatalf("fake-gcs-server at %s is not up after %s (%v)", url, patience, err)
		}
	}
}

func makeBucket(t *testing.T, url, bucket string) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"name": bucket})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/storage/v1/b?project=test", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("make bucket %s: status %d, %v", bucket, response.StatusCode, err)
	}
}
