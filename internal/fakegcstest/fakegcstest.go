// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package fakegcstest runs fake-gcs-server, an independent implementation of Google
// Cloud Storage's APIs, beside a test.
package fakegcstest

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"

	"blackout/internal/programtest"
)

// Variable is the environment variable that names fake-gcs-server's binary, which
// tools/fakegcs builds.
const Variable = "BLACKOUT_FAKEGCS"

// Start starts the server that [Variable] names on loopback, with its objects in
// memory, makes a bucket, and returns its URL. It asks for no token. It ends with
// the test, which is skipped if there is no such server.
func Start(t *testing.T, bucket string) string {
	t.Helper()
	address := programtest.Server{Variable: Variable, Arguments: arguments, Health: "/_internal/healthcheck"}.Start(t)
	url := "http://" + address
	makeBucket(t, url, bucket)
	return url
}

// arguments let the XML API answer at the server's own address: it does so under the
// public host alone.
func arguments(address string) []string {
	host, port, _ := net.SplitHostPort(address) // an address that was listened at
	return []string{"-backend", "memory", "-scheme", "http", "-host", host, "-port", port, "-public-host", host, "-log-level", "error"}
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
