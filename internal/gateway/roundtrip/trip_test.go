// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package roundtrip_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"blackout/internal/fallback"
	"blackout/internal/fallback/bucket/buckettest"
	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/entity/entitytest"
	"blackout/internal/gateway/proxy"
)

const key = "prefix/3.9.1/config.json"

// trip is the way of configurations, one after the other: two backup nodes, of
// which the second exports what was imported from the first.
type trip struct {
	upstream      string
	count         *tally
	first, second *backup
	some          int // of so many probes one is tried; 0 or 1: all
}

func newTrip(t *testing.T, upstream string, count *tally) *trip {
	t.Helper()
	return &trip{upstream: upstream, count: count, first: newBackup(t), second: newBackup(t)}
}

// backup is an exporter with its bucket.
type backup struct {
	memory   *buckettest.Memory
	exporter *fallback.Exporter
}

func newBackup(t *testing.T) *backup {
	t.Helper()
	b := &backup{memory: &buckettest.Memory{}}
	b.exporter = fallback.NewExporter(fallback.ExporterOptions{Bucket: b.memory, Key: key, NodeID: "exporter", Hash: entity.HashText, Log: slog.New(slog.DiscardHandler)})
	b.exporter.Online(true)
	ctx, cancel := context.WithCancel(background())
	ended := make(chan error, 1)
	go func() { ended <- b.exporter.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the exporter ended with %v", err)
		}
	})
	return b
}

// export exports a table and returns the object in the bucket, as it is.
func (b *backup) export(t rapid.TB, table []byte, hash string) []byte {
	t.Helper()
	b.exporter.Offer(table, hash, b.exporter.Mark())
	await(t, "the export", func() bool {
		status := b.exporter.Status()
		return status.ExportedHash == hash && status.PendingHash == ""
	})
	object, err := b.memory.Get(background(), key, 1<<30)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return object.Body
}

// refuses offers a table that must not replace a backup.
func (b *backup) refuses(t rapid.TB, table []byte, hash string) {
	t.Helper()
	before, _ := b.memory.Head(background(), key)
	b.exporter.Offer(table, hash, b.exporter.Mark())
	await(t, "the refusal", func() bool { return b.exporter.Status().LastError != "" })
	if after, _ := b.memory.Head(background(), key); after.Version != before.Version {
		t.Fatalf("an empty configuration was exported: %s", table)
	}
}

// read is what a new data plane imports.
func (b *backup) read(t rapid.TB) []byte {
	t.Helper()
	importer := fallback.Importer{Bucket: b.memory, Key: key, MaxBytes: 1 << 30, Log: slog.New(slog.DiscardHandler)}
	snapshot, err := importer.Import(background())
	if err != nil {
		t.Fatalf("%v", err)
	}
	return snapshot.ConfigTable
}

// await waits until a condition holds.
func await(t rapid.TB, what string, condition func() bool) {
	t.Helper()
	deadline, look := time.After(60*time.Second), time.NewTicker(100*time.Microsecond)
	defer look.Stop()
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("not within 60 s: %s", what)
		case <-look.C:
		}
	}
}

// served is a data plane's proxy with a configuration in force.
type served struct {
	*proxy.Proxy
	table *entity.Table
	some  int
	asked int
	sent  int64
}

func (r *trip) serve(t rapid.TB, table []byte) *served {
	t.Helper()
	parsed, err := entity.ParseTable(table)
	if err != nil {
		t.Fatalf("the data plane refuses what was imported: %v", err)
	}
	p := proxy.New(proxy.Options{Version: "3.9.1", Log: slog.New(slog.DiscardHandler), Settings: conf.Proxy{AllowDebugHeader: true}})
	configuration, err := p.Build(parsed)
	if err != nil {
		p.Close()
		t.Fatalf("the data plane cannot serve what was imported: %v", err)
	}
	p.Use(configuration)
	return &served{Proxy: p, table: parsed, some: r.some}
}

// ask asks the data plane, and compares the answer with what it has to be.
func (s *served) ask(t rapid.TB, probe *entitytest.Probe) {
	t.Helper()
	if s.asked++; s.some > 1 && s.asked%s.some != 0 {
		return
	}
	s.sent++
	request := httptest.NewRequest(probe.Method, "http://"+probe.Host+probe.Path, nil)
	request.Header.Set("Kong-Debug", "1")
	for name, value := range probe.Header {
		request.Header.Set(name, value)
	}
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, request)
	var seen struct{ Path, Consumer, Host string }
	if answer.Code == http.StatusOK {
		if err := json.Unmarshal(answer.Body.Bytes(), &seen); err != nil {
			t.Fatalf("the upstream was not asked: %s", answer.Body)
		}
	}
	right := answer.Code == probe.Status && strings.HasPrefix(seen.Path, probe.Upstream) && seen.Consumer == probe.Consumer &&
		strings.HasPrefix(seen.Host, probe.HostSent)
	if answer.Code == http.StatusOK {
		right = right && answer.Header().Get("Kong-Route-Id") == probe.Route
	}
	if !right {
		t.Fatalf("%s: got %d %s, route %s\nfor %+v", probe.What, answer.Code, answer.Body, answer.Header().Get("Kong-Route-Id"), *probe)
	}
}

// backend starts an upstream that tells what it is asked for, and by whom.
func backend(t *testing.T) (address string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"path": r.URL.Path, "consumer": r.Header.Get("X-Consumer-Id"), "host": r.Host})
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// canonical is a table in canonical form, without what an exporter noted in it.
func canonical(t rapid.TB, table []byte) []byte {
	t.Helper()
	decoded := decode(t, table)
	delete(decoded, "_comment")
	value := jsontext.Value(bytes.Clone(encode(t, decoded)))
	if err := value.Canonicalize(); err != nil {
		t.Fatalf("%v", err)
	}
	return value
}
