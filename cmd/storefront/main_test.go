// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"
)

func TestRunServesUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"--listen", "127.0.0.1:0", "--events", "127.0.0.1:0", "--upstream", "127.0.0.1:1"}, writer)
		writer.Close()
	}()
	addresses := map[string]string{}
	lines := bufio.NewScanner(reader)
	for len(addresses) < 2 && lines.Scan() {
		var line struct{ For, Address string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		addresses[line.For] = line.Address
	}
	go func() { _, _ = io.Copy(io.Discard, reader) }()
	response, err := http.Get("http://" + addresses["events"] + "/health")
	if err != nil || response.StatusCode != 200 {
		t.Fatalf("health: %v %v", response, err)
	}
	response.Body.Close()
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("did not end")
	}
	if err := run(t.Context(), []string{"--listen", "127.0.0.1:0"}, io.Discard); err == nil {
		t.Error("started without an upstream")
	}
}
