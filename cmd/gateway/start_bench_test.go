// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"blackout/internal/gateway/cache"
	"blackout/internal/gateway/clustertest"
	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/entity"
)

// BenchmarkColdStart is the time from the start of a data plane's process to the
// first correct answer of its last route. The control plane is away and the
// configuration is on the disk: this is what a restart in an outage takes. In the
// same run, a program that does nothing but listen is started to its first answer
// (vs-listen), and the configuration is decoded once into nothing but maps
// (vs-decode): what of the time is the machine's and what the file's.
func BenchmarkColdStart(b *testing.B) {
	gateway := build(b, "blackout/cmd/gateway")
	upstream := build(b, "blackout/cmd/upstream")
	for _, routes := range []int{10, 1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("routes=%d", routes), func(b *testing.B) {
			backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = fmt.Fprint(w, r.URL.Path)
			}))
			defer backend.Close()
			table := manyRoutes(b, backend.Listener.Addr(), routes)
			var ours, listening, decoding, memory []float64
			for b.Loop() {
				start := coldNode(b, gateway, table)
				took, rss := start.until(b, fmt.Sprintf("/p%d/x", routes-1), "/gen/1")
				ours, memory = append(ours, took.Seconds()), append(memory, rss)
				took, _ = bareProgram(b, upstream).until(b, "/", "")
				listening = append(listening, took.Seconds())
				decoding = append(decoding, decode(b, table).Seconds())
			}
			b.ReportMetric(median(ours)*1000, "ms/first-200")
			b.ReportMetric(slices.Max(ours)*1000, "ms/slowest")
			b.ReportMetric(median(ours)/median(listening), "vs-listen")
			b.ReportMetric(median(ours)/median(decoding), "vs-decode")
			b.ReportMetric(median(memory), "MiB-RSS")
			b.ReportMetric(float64(len(table))/(1<<20), "MiB-file")
			b.ReportMetric(0, "ns/op") // the decoding and the bare program are in it
		})
	}
}

// start is a program that is about to be started, and where it will answer.
type start struct {
	command *exec.Cmd
	address string
}

// until starts the program and waits until a GET of path is answered by 200 and a
// body that begins with want. It returns how long that took and the program's
// resident memory in MiB, and ends the program.
func (s start) until(b *testing.B, path, want string) (time.Duration, float64) {
	b.Helper()
	var output bytes.Buffer
	s.command.Stdout, s.command.Stderr = &output, &output
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	began := time.Now()
	if err := s.command.Start(); err != nil {
		b.Fatal(err)
	}
	err := answers(ctx, s.address, path, want)
	took := time.Since(began)
	rss := resident(b, s.command.Process.Pid)
	_ = s.command.Process.Signal(syscall.SIGTERM)
	_ = s.command.Wait() // how it ends is the tests' business
	if err != nil {
		b.Fatalf("%v; it said: %.2000s", err, output.String())
	}
	return took, rss
}

// answers asks again and again, two milliseconds apart.
func answers(ctx context.Context, address, path, want string) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, http.NoBody)
		if err != nil {
			return err
		}
		if response, err := client.Do(request); err == nil {
			var body bytes.Buffer
			_, err = body.ReadFrom(response.Body)
			_ = response.Body.Close()
			if err == nil && response.StatusCode == http.StatusOK && bytes.HasPrefix(body.Bytes(), []byte(want)) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no correct answer from %s%s: %w", address, path, ctx.Err())
		case <-again.C:
		}
	}
}

// wait waits until a running program answers; see [answers].
func wait(b *testing.B, address, path, want string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	if err := answers(ctx, address, path, want); err != nil {
		b.Fatal(err)
	}
}

// coldNode is a data plane with table on its disk.
func coldNode(b *testing.B, program string, table []byte) start {
	b.Helper()
	prefix := b.TempDir()
	hashes := entity.Hashes{Config: "0123456789abcdef0123456789abcdef"}
	local := cache.Cache{Path: filepath.Join(prefix, "config.cache"), Version: conf.DefaultVersion}
	if err := local.Save(cache.Entry{Hash: hashes.Config, Table: table}); err != nil {
		b.Fatal(err)
	}
	certificate, key := clustertest.Certificate(b)
	return dataPlane(b, program, prefix, free(b), identity{certificate, key})
}

// dataPlane is one that is about to be started.
func dataPlane(b *testing.B, program, prefix, controlPlane string, own identity) start {
	address := free(b)
	command := exec.CommandContext(b.Context(), program)
	command.Env = []string{"KONG_ROLE=data_plane", "KONG_DATABASE=off", "KONG_PREFIX=" + prefix, "KONG_PROXY_LISTEN=" + address,
		"KONG_STATUS_LISTEN=127.0.0.1:0", "KONG_CLUSTER_CONTROL_PLANE=" + controlPlane, "KONG_CLUSTER_MAX_PAYLOAD=134217728",
		"KONG_CLUSTER_CERT=" + string(own.certificate), "KONG_CLUSTER_CERT_KEY=" + string(own.key)}
	return start{command, address}
}

// bareProgram is one that only listens.
func bareProgram(b *testing.B, program string) start {
	address := free(b)
	return start{exec.CommandContext(b.Context(), program, "-listen", address), address}
}

// free is an address where nothing listens.
func free(b *testing.B) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// build compiles a program of this module.
func build(b *testing.B, pkg string) string {
	b.Helper()
	program := filepath.Join(b.TempDir(), filepath.Base(pkg))
	command := exec.CommandContext(b.Context(), "go", "build", "-o", program, pkg)
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := command.CombinedOutput(); err != nil {
		b.Fatalf("build %s: %v: %s", pkg, err, said)
	}
	return program
}

// manyRoutes is a config_table as a control plane sends it: one service and its
// routes, every field written out.
func manyRoutes(b *testing.B, upstream net.Addr, routes int) []byte {
	b.Helper()
	text, err := json.Marshal(entity.NewTable(records(b, upstream, routes)))
	if err != nil {
		b.Fatal(err)
	}
	return text
}

// records are one service of generation 1, "backend", and its routes.
func records(b *testing.B, upstream net.Addr, routes int) map[string][]entity.Record {
	b.Helper()
	const service = "00000000-0000-4000-8000-00000000aaaa"
	address := upstream.(*net.TCPAddr)
	rows := make([]entity.Record, routes)
	for i := range rows {
		rows[i] = complete(b, entity.Routes, entity.Record{
			"id": fmt.Sprintf("00000000-0000-4000-9000-%012x", i), "name": fmt.Sprintf("route-%d", i),
			"paths": []any{fmt.Sprintf("/p%d/x", i)}, "service": map[string]any{"id": service},
		})
	}
	return map[string][]entity.Record{
		"services": {complete(b, entity.Services, entity.Record{"id": service, "name": "backend", "host": address.IP.String(), "port": float64(address.Port), "path": "/gen/1"})},
		"routes":   rows,
	}
}

func complete(b *testing.B, schema *entity.Schema, record entity.Record) entity.Record {
	b.Helper()
	record["created_at"], record["updated_at"] = 1.7e9, 1.7e9
	whole, err := schema.Complete(record)
	if err != nil {
		b.Fatal(err)
	}
	return whole
}

// decode is how long the table takes to decode, with no check at all.
func decode(b *testing.B, table []byte) time.Duration {
	b.Helper()
	began := time.Now()
	var all map[string]any
	if err := json.Unmarshal(table, &all); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// resident is a process's resident memory in MiB.
func resident(b *testing.B, pid int) float64 {
	b.Helper()
	running, err := process.NewProcess(int32(pid)) // #nosec G115 -- a process id
	if err != nil {
		b.Fatal(err)
	}
	memory, err := running.MemoryInfo()
	if err != nil {
		b.Fatal(err)
	}
	return float64(memory.RSS) / (1 << 20)
}
