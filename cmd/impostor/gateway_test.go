// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"blackout/fixtures"
	"blackout/internal/impostor"
	"blackout/internal/programtest"
)

// patience bounds every wait.
const patience = 30 * time.Second

// dataPlane is the reference gateway as a process.
type dataPlane struct {
	t             *testing.T
	proxy, status string // "host:port"
	log           *output
}

// output is what a process has written so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// startDataPlane builds the gateway and runs it until the test ends.
func startDataPlane(t *testing.T, controlPlane string, id fixtures.Identity) *dataPlane {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "gateway")
	if said, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "blackout/cmd/gateway").CombinedOutput(); err != nil {
		t.Fatalf("build the gateway: %v\n%s", err, said)
	}
	dp := &dataPlane{t: t, proxy: programtest.FreeAddress(t), status: programtest.FreeAddress(t), log: &output{}}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	command := exec.CommandContext(ctx, binary)
	command.Env = []string{"KONG_ROLE=data_plane", "KONG_DATABASE=off", "KONG_PREFIX=" + filepath.Join(dir, "kong"),
		"KONG_PROXY_LISTEN=" + dp.proxy, "KONG_STATUS_LISTEN=" + dp.status, "KONG_CLUSTER_CONTROL_PLANE=" + controlPlane,
		"KONG_CLUSTER_CERT=" + string(id.Certificate), "KONG_CLUSTER_CERT_KEY=" + string(id.Key),
		"KONG_BLACKOUT_RECONNECT_MIN=50ms", "KONG_BLACKOUT_RECONNECT_MAX=100ms", "KONG_LOG_LEVEL=debug"}
	command.Stdout, command.Stderr = dp.log, dp.log
	if err := command.Start(); err != nil {
		stop()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = command.Wait() // killed, and the test is over
	})
	return dp
}

// await waits until condition holds.
func (dp *dataPlane) await(what string, condition func() bool) {
	dp.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !condition() {
		select {
		case <-tick.C:
		case <-limit:
			dp.t.Fatalf("not seen: %s; the data plane's log:\n%s", what, dp.log)
		}
	}
}

// get is the status and the body of an answer; 0 if there is none.
func get(t *testing.T, url string) (int, string) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(body)
}

// serves waits until the probed route is answered so, and with the body.
func (dp *dataPlane) serves(status int, body string) {
	dp.t.Helper()
	dp.await(fmt.Sprintf("%d %s", status, body), func() bool {
		got, text := get(dp.t, "http://"+dp.proxy+fixtures.ProbedPath)
		return got == status && (body == "" || text == body)
	})
}

// hash is the configuration hash that the data plane reports.
func (dp *dataPlane) hash() string {
	_, body := get(dp.t, "http://"+dp.status+"/status")
	var status struct {
		Hash string `json:"configuration_hash"`
	}
	if err := json.Unmarshal([]byte(body), &status); err != nil {
		return ""
	}
	return status.Hash
}

// table is a configuration whose probed route leads to the upstream's path of a
// generation.
func table(upstream string, generation int) json.RawMessage {
	host, port, _ := strings.Cut(upstream, ":")
	const service = "5a2b0d0c-6f5e-4f0e-8f0a-1f2e3d4c5b6a"
	return json.RawMessage(fmt.Sprintf(`{"_format_version":"3.0","_transform":false,
		"services":[{"id":%q,"name":%q,"protocol":"http","host":%q,"port":%s,"path":%q}],
		"routes":[{"id":"7c1d2e3f-4a5b-4c6d-8e7f-9a0b1c2d3e4f","name":"probed","paths":[%q],"protocols":["http"],"service":%q}]}`,
		service, fixtures.ProbedService, host, port, fixtures.GenerationPath(generation), fixtures.ProbedPath, service))
}

// TestGatewayBelieves: the reference gateway takes a script for a control plane,
// through every mode, in one life: what it serves follows what is pushed, and
// stays through what is not.
func TestGatewayBelieves(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) }))
	defer upstream.Close()
	id, err := fixtures.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	client, address := start(t), programtest.FreeAddress(t)
	dp := startDataPlane(t, address, id)
	dp.await("its Status API answers", func() bool { return dp.hash() != "" })
	newer, older := table(upstream.Listener.Addr().String(), 7), table(upstream.Listener.Addr().String(), 5)
	for _, c := range []struct {
		script impostor.Script
		saw    func(impostor.Connection) bool // of at least one connection, as a witness that it got this far
		status int
		body   string
	}{
		{impostor.Script{Mode: impostor.SilentTLS}, func(c impostor.Connection) bool { return c.Handshake > 0 }, 404, ""},
		{impostor.Script{Mode: impostor.NoDatabase}, func(c impostor.Connection) bool { return c.Introduced > 0 && c.Frames > 1 }, 404, ""},
		{impostor.Script{Mode: impostor.Normal, Table: newer}, pushed, 200, "/gen/7"},
		{impostor.Script{Mode: impostor.Busy, Status: 503, RetryAfter: time.Second}, func(c impostor.Connection) bool { return c.Status == 503 }, 200, "/gen/7"},
		{impostor.Script{Mode: impostor.SilentUpgrade}, func(c impostor.Connection) bool { return c.Frames > 1 }, 200, "/gen/7"},
		{impostor.Script{Mode: impostor.Oversized, Table: older}, func(c impostor.Connection) bool { return c.Introduced > 0 && c.End > 0 }, 200, "/gen/7"},
		{impostor.Script{Mode: impostor.Older, Table: older}, pushed, 200, "/gen/5"},
		// Refused: the first push of a connection does not empty a data plane that serves.
		{impostor.Script{Mode: impostor.Empty}, pushed, 200, "/gen/5"},
	} {
		mode := string(c.script.Mode)
		c.script.Listen = address
		before := dp.hash()
		if _, err := client.Open(t.Context(), mode, script(id, c.script)); err != nil {
			t.Fatal(err)
		}
		var seen impostor.Record
		dp.await("a connection in mode "+mode, func() bool {
			if seen, err = client.Record(t.Context(), mode, 0); err != nil {
				t.Fatal(err)
			}
			for _, one := range seen.Connections {
				if c.saw(one) {
					return true
				}
			}
			return false
		})
		dp.serves(c.status, c.body)
		switch c.script.Mode {
		case impostor.Normal, impostor.Older:
			// The hash that was pushed comes back in the next ping.
			dp.await("the new hash in a ping in mode "+mode, func() bool {
				seen, err := client.Record(t.Context(), mode, 0)
				now := dp.hash()
				return err == nil && now != before && seen.Connections[len(seen.Connections)-1].Hash == now
			})
		default:
			if now := dp.hash(); now != before {
				t.Errorf("mode %s changed the configuration from %s to %s", mode, before, now)
			}
		}
		if _, err := client.Close(t.Context(), mode); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(dp.log.String(), "PRIVATE") {
		t.Error("the data plane's log shows the key")
	}
}

func pushed(c impostor.Connection) bool { return c.Pushed > 0 }
