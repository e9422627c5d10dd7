// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"strings"
	"testing"

	"blackout/fixtures"
	"blackout/internal/impostor"
	"blackout/internal/serve"
)

// start runs the command and returns a client of its control API. The command
// ends with the test.
func start(t *testing.T) *impostor.Client {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		defer writer.Close()
		ended <- run(ctx, []string{"--listen", "127.0.0.1:0"}, writer)
	}()
	lines := bufio.NewScanner(reader)
	lines.Scan()
	var line struct{ Address string }
	if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	logged := make(chan string, 1)
	go func() {
		var rest strings.Builder
		for lines.Scan() {
			rest.WriteString(lines.Text())
		}
		logged <- rest.String()
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if log := <-logged; strings.Contains(log, "PRIVATE") || !strings.Contains(log, "script.closed") {
			t.Errorf("the log shows a key, or no end of a script: %s", log)
		}
	})
	return impostor.NewClient(line.Address)
}

// script completes a script with the identity and a free address.
func script(id fixtures.Identity, s impostor.Script) impostor.Script {
	s.Identity = impostor.Identity{Certificate: string(id.Certificate), Key: string(id.Key)}
	if s.Listen == "" {
		s.Listen = "127.0.0.1:0"
	}
	return s
}

// TestEndClosesScripts that were left open, silently and without an error.
func TestEndClosesScripts(t *testing.T) {
	t.Parallel()
	id, err := fixtures.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := start(t).Open(t.Context(), "left open", script(id, impostor.Script{Mode: impostor.SilentTLS})); err != nil {
		t.Fatal(err)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want error
	}{
		{[]string{"--help"}, flag.ErrHelp},
		{[]string{"--no-such-flag"}, serve.ErrUsage},
		{[]string{"argument"}, serve.ErrUsage},
	} {
		var out bytes.Buffer
		if err := run(t.Context(), c.args, &out); !errors.Is(err, c.want) || out.Len() == 0 {
			t.Errorf("%v: %v, %q", c.args, err, out.String())
		}
	}
	if err := run(t.Context(), []string{"--listen", "203.0.113.1:1"}, io.Discard); err == nil || errors.Is(err, serve.ErrUsage) {
		t.Errorf("an address that is not here: %v", err)
	}
}
