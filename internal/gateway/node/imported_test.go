// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"blackout/internal/gateway/cache"
	"blackout/internal/gateway/clustertest"
	"blackout/internal/gateway/conf"
)

// withSections is a table with further sections, in JSON.
func withSections(table, sections string) []byte {
	return []byte(strings.Replace(table, `"services":`, sections+`,"services":`, 1))
}

// expiredCA is a section with a CA certificate that has ended.
func expiredCA(t *testing.T) string {
	certificate, _ := clustertest.CertificateUntil(t, time.Now().Add(-time.Minute))
	text, err := json.Marshal(string(certificate))
	if err != nil {
		t.Fatal(err)
	}
	return `"ca_certificates":[{"id":"0000000c-0000-4000-8000-00000000000c","cert":` + string(text) + `}]`
}

// What a data plane imports: with one GET, into its cache, and a restart while the
// control plane is still gone asks the store for nothing.
func TestImportsFromARealStore(t *testing.T) {
	t.Parallel()
	upstream := echo(t)
	good := table(upstream, "/gen/7")
	const workspace = "0000000a-0000-4000-8000-00000000000a"
	for name, test := range map[string]struct {
		storeFault
		kept    string // is in the cache
		warning string // is in the log
	}{
		"plain":                 {},
		"with its checksum":     {storeFault: storeFault{metadata: checksum([]byte(good))}},
		"gzip":                  {storeFault: storeFault{object: zipped(t, []byte(good)), metadata: checksum(zipped(t, []byte(good)))}},
		"slower than it should": {storeFault: storeFault{script: trickling(patience), change: func(c *conf.Config) { c.Fallback.ReadTimeout = time.Minute }}},
		"exactly the limit":     {storeFault: storeFault{change: func(c *conf.Config) { c.Fallback.MaxSize = len(good) }}},
		"an expired CA":         {storeFault: storeFault{object: withSections(good, expiredCA(t))}, kept: "ca_certificates", warning: "certificate expired"},
		"workspaces": {storeFault: storeFault{object: withSections(strings.ReplaceAll(good, `"id":`, `"ws_id":"`+workspace+`","id":`),
			`"workspaces":[{"id":"`+workspace+`","name":"default"}]`)}, kept: `"ws_id":"` + workspace + `"`},
		"workspaces where none belong": {storeFault: storeFault{object: withSections(good,
			strings.Replace(expiredCA(t), `"id":`, `"ws_id":"`+workspace+`","id":`, 1))}, kept: `"ws_id"`, warning: "certificate expired"},
		"an unknown type": {storeFault: storeFault{object: withSections(good, `"oic_issuers":[{"id":"x","issuer":"y","nothing":null}]`)},
			kept: `"oic_issuers":[{"id":"x","issuer":"y","nothing":null}]`},
		"an unknown field": {storeFault: storeFault{object: []byte(strings.Replace(good, `"host":`, `"tls_sans":{"uris":["a"]},"host":`, 1))},
			kept: `"tls_sans":{"uris":["a"]}`, warning: "tls_sans: unknown field, ignored"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, dir := newCluster(t), t.TempDir()
			store, book := newFaultyStore(t, &test.storeFault, []byte(good)), &logBook{}
			c.getenv, c.log = store.getenv, book.handler()
			change := func(config *conf.Config) {
				importing(config)
				if test.change != nil {
					test.change(config)
				}
			}
			dp := c.start(conf.DataPlane, dir, change)
			dp.awaitBody("/x", "/gen/7/x")
			eventually(t, "ready", dp.isReady)
			checkMetrics(t, dp)
			dp.end()
			again := c.start(conf.DataPlane, dir, change)
			if _, body := again.get("proxy", "/x"); body != "/gen/7/x" || !again.isReady() {
				t.Errorf("from the cache: %s", body)
			}
			again.end()
			if got := store.requests(); !slices.Equal(got, []string{readOnce}) {
				t.Errorf("requests %q", got)
			}
			entry, err := cache.Cache{Path: filepath.Join(dir, "config.cache"), Version: "3.9.1"}.Load()
			if err != nil || !strings.Contains(string(entry.Table), test.kept) {
				t.Errorf("the cache holds %s, %v", entry.Table, err)
			}
			if all := book.String(); !strings.Contains(all, test.warning) || strings.Contains(all, "import_failed") {
				t.Errorf("logged: %s", all)
			}
		})
	}
}

// checkMetrics looks at what the node tells of its one read.
func checkMetrics(t *testing.T, dp *running) {
	t.Helper()
	_, page := dp.get("status", "/metrics")
	for _, want := range []string{`blackout_store_requests_total{kind="get",result="ok"} 1`, `blackout_configuration_source{source="store"} 1`, "blackout_snapshot_age_seconds "} {
		if !strings.Contains(page, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// The client of the import goes when it is settled whether to import, and a
// backup node's other client stays.
func TestTheImportsClientIsClosed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body     bool // the store has a configuration
		cached   bool // the node has one
		exports  bool
		whileRun int
		atEnd    int
	}{
		"imported":             {body: true, whileRun: 1, atEnd: 1},
		"failed":               {whileRun: 1, atEnd: 1},
		"not needed":           {cached: true, whileRun: 1, atEnd: 1},
		"of a backup node too": {body: true, exports: true, whileRun: 1, atEnd: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, dir := newCluster(t), t.TempDir()
			good := []byte(table(echo(t), "/gen/7"))
			if test.body {
				c.store.body = good
			}
			if test.cached {
				local := cache.Cache{Path: filepath.Join(dir, "config.cache"), Version: "3.9.1"}
				if err := local.Save(cache.Entry{Hash: strings.Repeat("a", 32), Table: good}); err != nil {
					t.Fatal(err)
				}
			}
			dp := c.start(conf.DataPlane, dir, func(config *conf.Config) { importing(config); config.Fallback.Export = test.exports })
			eventually(t, "the client is closed", func() bool { return c.store.closed() == test.whileRun })
			dp.end()
			if got := c.store.closed(); got != test.atEnd {
				t.Errorf("%d clients are closed in the end, want %d", got, test.atEnd)
			}
		})
	}
}

// A damaged cache is set aside and is no cache: the store is read.
func TestADamagedCacheIsNoReasonNotToImport(t *testing.T) {
	t.Parallel()
	c, dir := newCluster(t), t.TempDir()
	store, book := newFaultyStore(t, &storeFault{}, []byte(table(echo(t), "/gen/7"))), &logBook{}
	c.getenv, c.log = store.getenv, book.handler()
	path := filepath.Join(dir, "config.cache")
	c.start(conf.DataPlane, dir, importing).awaitReadyAndEnd()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, whole[:len(whole)-9], 0o600); err != nil {
		t.Fatal(err)
	}
	dp := c.start(conf.DataPlane, dir, importing)
	dp.awaitBody("/x", "/gen/7/x")
	dp.awaitReadyAndEnd()
	if got := store.requests(); !slices.Equal(got, []string{readOnce, readOnce}) {
		t.Errorf("requests of two new data planes: %q", got)
	}
	if len(book.lines("cache.damaged")) != 1 {
		t.Errorf("logged: %s", book)
	}
	if again, err := os.ReadFile(path); err != nil || len(again) < len(whole)-50 {
		t.Errorf("the cache was not replaced: %d bytes, %v", len(again), err)
	}
}

func (r *running) awaitReadyAndEnd() {
	r.cluster.t.Helper()
	eventually(r.cluster.t, "ready", r.isReady)
	r.end()
}

// A control plane that comes while the store hangs wins at once: the request is
// given up, one line says so, and nobody asks again.
func TestTheControlPlaneWinsOverAHangingStore(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]func(http.Handler) http.Handler{"before the answer": hanging, "in the body": stalling} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, upstream := newCluster(t), echo(t)
			var answered atomic.Int32 // requests that the store is rid of
			watched := func(next http.Handler) http.Handler {
				inner := script(next)
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer answered.Add(1)
					inner.ServeHTTP(w, r)
				})
			}
			store, book := newFaultyStore(t, &storeFault{script: watched}, []byte(table(upstream, "/gen/7"))), &logBook{}
			c.getenv, c.log = store.getenv, book.handler()
			dp := c.start(conf.DataPlane, t.TempDir(), importing) // which would wait for twice as long as this test does
			eventually(t, "the store is asked", func() bool { return len(store.requests()) == 1 })
			cp := c.start(conf.ControlPlane, t.TempDir(), nil)
			cp.admin("PUT", "/services/s", `{"url":"`+upstream+`/gen/8"}`)
			cp.admin("POST", "/services/s/routes", `{"paths":["/"]}`)
			dp.awaitBody("/x", "/gen/8/x")
			eventually(t, "the request is given up", func() bool { return answered.Load() == 1 })
			eventually(t, "the import is given up", func() bool { return len(book.lines("fallback.import_abandoned")) == 1 })
			told, _ := dp.status()["fallback"].(map[string]any)
			if told["imported"] != false || told["import_error"] != nil || told["source"] != "control_plane" {
				t.Errorf("status tells %v", told)
			}
			dp.end()
			if lines := book.lines("fallback.import_abandoned"); lines[0]["object"] != storedURL || lines[0]["reason"] != "the control plane delivered meanwhile" {
				t.Errorf("logged %v", lines)
			}
			if all := book.String(); strings.Contains(all, "import_failed") || strings.Contains(all, "not read") {
				t.Errorf("more than one line: %s", all)
			}
			if got := store.requests(); !slices.Equal(got, []string{readOnce}) {
				t.Errorf("requests %q", got)
			}
		})
	}
}

// A node that is stopped while it imports has not failed to.
func TestANodeThatStopsGivesItsImportUp(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	store, book := newFaultyStore(t, &storeFault{script: hanging}, []byte(table(echo(t), "/gen/7"))), &logBook{}
	c.getenv, c.log = store.getenv, book.handler()
	dp := c.start(conf.DataPlane, t.TempDir(), importing)
	eventually(t, "the store is asked", func() bool { return len(store.requests()) == 1 })
	dp.end()
	if lines := book.lines("fallback.import_abandoned"); len(lines) != 1 || lines[0]["reason"] != "the node stops" || len(book.lines("fallback.import_failed")) > 0 {
		t.Errorf("logged: %s", book)
	}
}
