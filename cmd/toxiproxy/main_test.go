// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	toxiclient "github.com/Shopify/toxiproxy/v2/client"

	"blackout/internal/deaf"
	"blackout/internal/meter"
	"blackout/internal/serve"
	"blackout/internal/toxic"
)

// listenLine is the part of the first log line that tests read.
type listenLine struct {
	Address string `json:"address"`
}

// start runs the program on a free port and returns its address, and a function
// that ends it and returns its error.
func start(t *testing.T) (address string, end func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	logged, log := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"--listen", "127.0.0.1:0"}, log)
		log.CloseWithError(io.EOF)
		ended <- err
	}()
	lines := bufio.NewReader(logged)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		t.Fatalf("read first log line: %v", err)
	}
	var first listenLine
	if err := json.Unmarshal(line, &first); err != nil {
		t.Fatalf("first log line %s: %v", line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }() // ends with the pipe
	return first.Address, func() error { cancel(); return <-ended }
}

func TestServesProxiesAndMeters(t *testing.T) {
	t.Parallel()
	address, end := start(t)
	upstream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	t.Cleanup(func() { upstream.Close() })
	proxy, err := toxiclient.NewClient(address).CreateProxy("edge", "127.0.0.1:0", upstream.Addr().String())
	if err != nil {
		t.Fatalf("create proxy: %v", err)
	}
	attributes := toxiclient.Attributes{"id": "edge/offered/upstream"}
	if _, err := proxy.AddToxic("offered", meter.Type, "upstream", 1, attributes); err != nil {
		t.Fatalf("add meter: %v", err)
	}
	client, err := net.Dial("tcp", proxy.Listen)
	if err != nil {
		t.Fatalf("dial proxy: %v", err)
	}
	defer client.Close()
	if _, err := io.WriteString(client, "hello"); err != nil {
		t.Fatalf("send: %v", err)
	}
	server, err := upstream.Accept()
	if err != nil {
		t.Fatalf("accept: %v", err)
	}
	defer server.Close()
	if _, err := io.ReadFull(server, make([]byte, 5)); err != nil {
		t.Fatalf("receive: %v", err)
	}

	if got := meters(t, address).Meters["edge/offered/upstream"]; got.Bytes != 5 || got.Connections != 1 {
		t.Errorf("meter = %+v, want 5 bytes and 1 connection", got)
	}
	if err := end(); err != nil {
		t.Errorf("end: %v", err)
	}
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the proxied connection outlives the program")
	}
}

// TestKnowsItsToxics, and refuses attributes that Toxiproxy would ignore.
func TestKnowsItsToxics(t *testing.T) {
	t.Parallel()
	address, end := start(t)
	proxy, err := toxiclient.NewClient(address).CreateProxy("edge", "127.0.0.1:0", "127.0.0.1:1")
	if err != nil {
		t.Fatalf("create proxy: %v", err)
	}
	for kind, attributes := range map[string]toxiclient.Attributes{
		toxic.SilenceType: {"until": "moment"},
		toxic.DelayType:   {"delay": 1, "jitter": 1, "seed": 1},
		toxic.PaceType:    {"rate": 1},
		toxic.SliceType:   {"bytes": 1, "delay": 1},
	} {
		if _, err := proxy.AddToxic(kind, kind, "upstream", 1, attributes); err != nil {
			t.Errorf("add %s: %v", kind, err)
		}
		attributes["misspelt"] = 1
		if _, err := proxy.AddToxic(kind, kind, "downstream", 1, attributes); err == nil {
			t.Errorf("%s takes attributes that it does not know", kind)
		}
	}
	if err := end(); err != nil {
		t.Errorf("end: %v", err)
	}
}

// TestDeafensAddresses until it ends.
func TestDeafensAddresses(t *testing.T) {
	t.Parallel()
	address, end := start(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	at := free.Addr().String()
	free.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+address+deaf.Path+"/"+at, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatalf("make %s deaf: %v", at, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNotImplemented && runtime.GOOS != "linux" {
		return
	}
	if answer.StatusCode != http.StatusNoContent {
		t.Fatalf("make %s deaf: status %d", at, answer.StatusCode)
	}
	if conn, err := net.DialTimeout("tcp", at, 300*time.Millisecond); err == nil {
		conn.Close()
		t.Error("a deaf address accepts a connection")
	}
	if err := end(); err != nil {
		t.Errorf("end: %v", err)
	}
	if again, err := net.Listen("tcp", at); err != nil {
		t.Errorf("the address is still taken: %v", err)
	} else {
		again.Close()
	}
}

func meters(t *testing.T, address string) meter.Snapshot {
	t.Helper()
	answer, err := http.Get("http://" + address + meter.Path)
	if err != nil {
		t.Fatalf("get meters: %v", err)
	}
	defer answer.Body.Close()
	var s meter.Snapshot
	if err := json.NewDecoder(answer.Body).Decode(&s); err != nil {
		t.Fatalf("decode meters: %v", err)
	}
	return s
}

func TestBadCommandLine(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--lisen", "x"}, {"127.0.0.1:1"}} {
		if err := run(t.Context(), args, io.Discard); !errors.Is(err, serve.ErrUsage) {
			t.Errorf("run(%q) = %v, want a usage error", args, err)
		}
	}
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	defer taken.Close()
	if err := run(t.Context(), []string{"--listen", taken.Addr().String()}, io.Discard); err == nil {
		t.Error("run on a taken address succeeds")
	}
}
