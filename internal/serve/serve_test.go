// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want error
		says string
	}{
		{[]string{"--a", "1"}, nil, ""},
		{nil, nil, ""},
		{[]string{"--a", "1", "x"}, ErrUsage, `takes flags only, not "x"`},
		{[]string{"--b"}, ErrUsage, "not defined"},
		{[]string{"--help"}, flag.ErrHelp, "Usage of test"},
	} {
		flags := flag.NewFlagSet("test", flag.ContinueOnError)
		flags.String("a", "", "")
		var out strings.Builder
		if err := Parse(flags, c.args, &out); !errors.Is(err, c.want) || !strings.Contains(out.String(), c.says) {
			t.Errorf("%q: %v, said %q", c.args, err, out.String())
		}
	}
}

// TestAllEndsWithItsContext, also while a request waits for something, and every
// server answers until then.
func TestAllEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	reader, writer := io.Pipe()
	arrived := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		log := slog.New(slog.NewJSONHandler(writer, nil))
		ended <- All(ctx, log,
			Server{"one", "127.0.0.1:0", http.NotFoundHandler()},
			Server{"two", "127.0.0.1:0", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				close(arrived)
				<-r.Context().Done()
			})})
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
	drained := make(chan struct{})
	go func() { defer close(drained); _, _ = io.Copy(io.Discard, reader) }()
	response, err := http.Get("http://" + addresses["one"])
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusNotFound {
		t.Errorf("status %d", response.StatusCode)
	}
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		if response, err := http.Get("http://" + addresses["two"]); err == nil {
			response.Body.Close()
		}
	}()
	<-arrived
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	<-waited
	<-drained
}

func TestAllSaysWhatCannotListen(t *testing.T) {
	t.Parallel()
	err := All(t.Context(), slog.New(slog.DiscardHandler),
		Server{"good", "127.0.0.1:0", http.NotFoundHandler()}, Server{"bad", "nowhere", http.NotFoundHandler()})
	if err == nil || !strings.Contains(err.Error(), "listen for bad") {
		t.Errorf("error %v", err)
	}
}
