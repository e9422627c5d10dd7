// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"blackout/internal/fallback/bucket"
	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/node"
)

const zeros = "00000000000000000000000000000000"

func TestConfigurationReachesTheDataPlaneAndOutlivesTheControlPlane(t *testing.T) {
	t.Parallel()
	c, upstream := newCluster(t), echo(t)
	cpDir, dpDir := t.TempDir(), t.TempDir()

	dp := c.start(conf.DataPlane, dpDir, nil) // before its control plane
	if status, body := dp.get("status", "/status/ready"); status != 503 || body != `{"message":"no configuration available (empty configuration present)"}` {
		t.Errorf("a fresh data plane: %d %s", status, body)
	}
	if hash := dp.status()["configuration_hash"]; hash != zeros {
		t.Errorf("a fresh data plane has the hash %v", hash)
	}
	cp := c.start(conf.ControlPlane, cpDir, nil)
	cp.admin("PUT", "/services/s", `{"url":"`+upstream+`/gen/1"}`)
	cp.admin("POST", "/services/s/routes", `{"paths":["/"]}`)
	dp.awaitBody("/x", "/gen/1/x")
	hash := hashIn(t, cpDir)
	dp.awaitHash(hash)
	if !dp.isReady() || !cp.isReady() {
		t.Error("not ready although a configuration is in force")
	}
	eventually(t, "the control plane knows what the data plane serves", func() bool {
		_, body := cp.get("admin", "/clustering/data-planes")
		return strings.Contains(body, hash) && strings.Contains(body, `"sync_status":"normal"`)
	})

	for _, listener := range []string{"admin", "status"} {
		if _, body := cp.get(listener, "/metrics"); !strings.Contains(body, `kong_data_plane_last_seen{hostname="host",ip="127.0.0.1",node_id="`) ||
			!strings.Contains(body, "\nkong_datastore_reachable 1\n") || !strings.Contains(body, "\nblackout_cluster_clients 1\n") {
			t.Errorf("the control plane's %s tells %s", listener, body)
		}
	}
	if _, body := dp.get("status", "/metrics"); !strings.Contains(body, "\nkong_control_plane_connected 1\n") ||
		!strings.Contains(body, "\nblackout_configuration_source{source=\"control_plane\"} 1\n") {
		t.Errorf("the data plane tells %s", body)
	}

	cp.end()
	if _, body := dp.get("proxy", "/x"); body != "/gen/1/x" || !dp.isReady() {
		t.Errorf("without its control plane the data plane answers %s, ready: %v", body, dp.isReady())
	}
	dp.end()
	restarted := c.start(conf.DataPlane, dpDir, nil)
	if _, body := restarted.get("proxy", "/x"); body != "/gen/1/x" || !restarted.isReady() {
		t.Errorf("restarted without its control plane the data plane answers %s, ready: %v", body, restarted.isReady())
	}
	if _, body := restarted.get("status", "/metrics"); !strings.Contains(body, "\nblackout_configuration_source{source=\"cache\"} 1\n") ||
		!strings.Contains(body, "\nkong_control_plane_connected 0\n") {
		t.Errorf("restarted, the data plane tells %s", body)
	}
	if restarted.status()["configuration_hash"] != hash {
		t.Error("the hash changed in the cache")
	}

	back := c.start(conf.ControlPlane, cpDir, nil)
	back.admin("PATCH", "/services/s", `{"path":"/gen/2"}`)
	restarted.awaitBody("/x", "/gen/2/x")
}

func TestNodeKeepsItsID(t *testing.T) {
	t.Parallel()
	c, dir := newCluster(t), t.TempDir()
	c.start(conf.DataPlane, dir, nil).end()
	first, err := os.ReadFile(filepath.Join(dir, "kong.id"))
	if err != nil {
		t.Fatal(err)
	}
	c.start(conf.DataPlane, dir, nil).end()
	if again, err := os.ReadFile(filepath.Join(dir, "kong.id")); err != nil || string(again) != string(first) {
		t.Errorf("got %s, %v, want %s", again, err, first)
	}
}

func TestNodeShowsItsConfigurationWithoutSecrets(t *testing.T) {
	t.Parallel()
	c, dir := newCluster(t), t.TempDir()
	loaded, err := conf.Load(conf.Source{Environ: []string{"KONG_ROLE=control_plane", "KONG_PREFIX=" + dir, "KONG_ADMIN_LISTEN=127.0.0.1:0",
		"KONG_CLUSTER_LISTEN=" + c.address, "KONG_STATUS_LISTEN=off", "KONG_CLUSTER_CERT=" + string(c.certificate), "KONG_CLUSTER_CERT_KEY=" + string(c.key),
		"KONG_PG_PASSWORD=s3cr3t", "KONG_LICENSE_DATA=s3cr3t"}})
	if err != nil {
		t.Fatal(err)
	}
	cp := c.start(conf.ControlPlane, dir, func(config *conf.Config) { *config = *loaded })
	_, text := cp.get("admin", "/")
	var root struct{ Configuration map[string]any }
	if err := json.Unmarshal([]byte(text), &root); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"role": "control_plane", "database": "sqlite", "db_update_frequency": 5.0, "pg_password": "******",
		"cluster_cert_key": "******", "rbac": "off", "portal": false, "anonymous_reports": true} {
		if got := root.Configuration[name]; got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	file, err := os.ReadFile(filepath.Join(dir, ".kong_env"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(file), "\npg_password = ******\n") || strings.Contains(string(file)+text, "s3cr3t") {
		t.Errorf("shown: %s\n%s", text, file)
	}
}

func importing(config *conf.Config) { config.Fallback.Import = true }
func exporting(config *conf.Config) { config.Fallback.Export = true }

func TestImportWhenTheControlPlaneIsDown(t *testing.T) {
	t.Parallel()
	c, upstream := newCluster(t), echo(t)
	c.store.body = []byte(table(upstream, "/gen/7"))
	dir := t.TempDir()
	dp := c.start(conf.DataPlane, dir, importing)
	dp.awaitBody("/x", "/gen/7/x")
	eventually(t, "ready after the import", dp.isReady)
	eventually(t, "the import is told", func() bool {
		state, _ := dp.status()["fallback"].(map[string]any)
		return state["imported"] == true
	})
	if state, _ := dp.status()["fallback"].(map[string]any); state["imported"] != true || state["source"] != "store" {
		t.Errorf("status tells %v", state)
	}
	dp.end()
	again := c.start(conf.DataPlane, dir, importing)
	if _, body := again.get("proxy", "/x"); body != "/gen/7/x" {
		t.Errorf("from the cache: %s", body)
	}
	cp := c.start(conf.ControlPlane, t.TempDir(), nil)
	cp.admin("PUT", "/services/s", `{"url":"`+upstream+`/gen/8"}`)
	cp.admin("POST", "/services/s/routes", `{"paths":["/"]}`)
	again.awaitBody("/x", "/gen/8/x")
	if gets, _ := c.store.counts(); gets != 1 {
		t.Errorf("the store was read %d times, want once", gets)
	}
}

func TestAReadyControlPlaneKeepsTheStoreUnread(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.store.body = []byte(table(echo(t), "/gen/7"))
	cp := c.start(conf.ControlPlane, t.TempDir(), nil)
	dp := c.start(conf.DataPlane, t.TempDir(), importing)
	eventually(t, "ready", dp.isReady)
	cp.end()
	dp.end()
	if gets, _ := c.store.counts(); gets != 0 {
		t.Errorf("the store was read %d times", gets)
	}
}

func TestAnImportThatFailsIsNotRepeated(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]*fakeStore{
		"absent":    {},
		"denied":    {getErr: bucket.ErrDenied},
		"truncated": {body: []byte(`{"_format_version":"3.0","services":[{`)},
		"foreign":   {body: []byte(`{"hello":["world"]}`)},
		"empty":     {body: []byte(`{}`)},
		"hollow":    {body: []byte(`{"_format_version":"3.0","parameters":[{"key":"cluster_id","value":"x"}]}`)},
		"dangling":  {body: []byte(`{"_format_version":"3.0","routes":[{"id":"0000000b-0000-4000-8000-00000000000b","paths":["/"],"service":"00000001-0000-4000-8000-000000000001"}]}`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.store = store
			dir := t.TempDir()
			dp := c.start(conf.DataPlane, dir, importing)
			eventually(t, "the import was attempted", func() bool {
				state, _ := dp.status()["fallback"].(map[string]any)
				gets, _ := store.counts()
				return state["import_attempted"] == true && gets == 1
			})
			if dp.isReady() {
				t.Error("ready without a configuration")
			}
			if _, err := os.Stat(filepath.Join(dir, "config.cache")); err == nil {
				t.Error("what was refused is in the cache")
			}
			// The control plane is dialled all the while, and wins.
			c.start(conf.ControlPlane, t.TempDir(), nil)
			eventually(t, "ready", dp.isReady)
			if gets, _ := store.counts(); gets != 1 {
				t.Errorf("the store was read %d times", gets)
			}
		})
	}
}

func TestTheControlPlaneWinsWhileTheImportRuns(t *testing.T) {
	t.Parallel()
	c, upstream, dir := newCluster(t), echo(t), t.TempDir()
	c.store.body, c.store.gate = []byte(table(upstream, "/gen/7")), make(chan struct{})
	dp := c.start(conf.DataPlane, dir, importing)
	answer := sync.OnceFunc(func() { close(c.store.gate) })
	t.Cleanup(answer)
	eventually(t, "the import runs", func() bool { gets, _ := c.store.counts(); return gets == 1 })
	cp := c.start(conf.ControlPlane, t.TempDir(), nil)
	cp.admin("PUT", "/services/s", `{"url":"`+upstream+`/gen/8"}`)
	cp.admin("POST", "/services/s/routes", `{"paths":["/"]}`)
	dp.awaitBody("/x", "/gen/8/x")
	cp.end()
	answer() // too late, and although nobody asks any more
	dp.end() // waits for the import
	if _, body := c.start(conf.DataPlane, dir, importing).get("proxy", "/x"); body != "/gen/8/x" {
		t.Errorf("the import replaced the control plane's configuration: %s", body)
	}
}

func TestImportBehindAControlPlaneThatGivesNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.store.body = []byte(table(echo(t), "/gen/7"))
	silent, err := net.Listen("tcp", c.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	dp := c.start(conf.DataPlane, t.TempDir(), func(config *conf.Config) {
		importing(config)
		config.Timing.DialTimeout = config.Timing.NoConfigurationWait // unanswered
	})
	dp.awaitBody("/x", "/gen/7/x")
}

func TestWithoutImportTheDataPlaneStaysNotReady(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.store.body = []byte(table(echo(t), "/gen/7"))
	dp := c.start(conf.DataPlane, t.TempDir(), exporting) // a store it may only write
	status, _ := dp.get("proxy", "/x")
	if gets, puts := c.store.counts(); status != 404 || dp.isReady() || gets+puts != 0 {
		t.Errorf("status %d, ready %v, %d reads and %d writes of the store", status, dp.isReady(), gets, puts)
	}
}

func TestBackupControlPlaneExports(t *testing.T) {
	t.Parallel()
	c, dir := newCluster(t), t.TempDir()
	cp := c.start(conf.ControlPlane, dir, exporting)
	cp.admin("PUT", "/services/s", `{"host":"first.example"}`)
	eventually(t, "the change is in the store", func() bool { return strings.Contains(c.store.content(), "first.example") })
	cp.admin("PATCH", "/services/s", `{"host":"second.example"}`)
	cp.end() // the last change is flushed
	if got := c.store.content(); !strings.Contains(got, "second.example") {
		t.Errorf("the store holds %s", got)
	}
	_, before := c.store.counts()
	c.start(conf.ControlPlane, t.TempDir(), exporting).end() // a new, empty database
	if _, after := c.store.counts(); after != before {
		t.Error("an empty database replaced the backup")
	}
}

func TestBackupDataPlaneExportsWhatTheControlPlaneSentAndNothingElse(t *testing.T) {
	t.Parallel()
	c, upstream := newCluster(t), echo(t)
	c.store.body = []byte(table(upstream, "/gen/7"))
	dp := c.start(conf.DataPlane, t.TempDir(), func(config *conf.Config) { importing(config); exporting(config) })
	dp.awaitBody("/x", "/gen/7/x")
	if _, puts := c.store.counts(); puts != 0 {
		t.Error("what came from the store was written back")
	}
	cp := c.start(conf.ControlPlane, t.TempDir(), nil)
	cp.admin("PUT", "/services/s", `{"host":"newer.example"}`)
	eventually(t, "the configuration is in the store", func() bool { return strings.Contains(c.store.content(), "newer.example") })
}

func TestADamagedCacheIsSetAsideAndReplaced(t *testing.T) {
	t.Parallel()
	c, dir := newCluster(t), t.TempDir()
	c.store.body = []byte(table(echo(t), "/gen/7"))
	path := filepath.Join(dir, "config.cache")
	if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	dp := c.start(conf.DataPlane, dir, importing)
	dp.awaitBody("/x", "/gen/7/x")
	if data, err := os.ReadFile(path + ".damaged"); err != nil || string(data) != "garbage" {
		t.Errorf("got %q, %v", data, err)
	}
}

func TestNodesThatDoNotStart(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	occupied, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = occupied.Close() }()
	foreign := []conf.KeyPair{{Certificate: c.certificate, Key: newCluster(t).key}}
	for name, test := range map[string]struct {
		role   conf.Role
		change func(*conf.Config)
		want   string
	}{
		"occupied":                 {conf.DataPlane, func(config *conf.Config) { config.ProxyListen = at(occupied.Addr().String()) }, "listen for proxy_listen"},
		"import on a controlplane": {conf.ControlPlane, importing, "cluster_fallback_config_import"},
		"no storage":               {conf.DataPlane, func(config *conf.Config) { importing(config); config.Fallback.Storage = "" }, "cluster_fallback_config_storage"},
		"foreign key":              {conf.DataPlane, func(config *conf.Config) { config.Cluster.Key = newCluster(t).key }, "cluster certificate and key"},
		"listener's foreign key":   {conf.DataPlane, func(config *conf.Config) { config.ProxyTLS = foreign }, "ssl_cert: certificate 1 and its key"},
		"prefix":                   {conf.DataPlane, func(config *conf.Config) { config.Prefix = "/dev/null/x" }, "create the prefix"},
		"database":                 {conf.ControlPlane, func(config *conf.Config) { config.SQLitePath = "/dev/null/x" }, "open database"},
		"store":                    {conf.DataPlane, func(config *conf.Config) { importing(config); config.Fallback.Storage = "s3://unopened/x" }, "open the fallback storage"},
	} {
		t.Run(name, func(t *testing.T) {
			config := c.config(test.role, t.TempDir())
			test.change(config)
			_, err := node.Start(context.Background(), node.Options{Config: config, Rand: rand.New(rand.NewPCG(1, 2)),
				Log: slog.New(slog.DiscardHandler), OpenBucket: func(config *conf.Config, _ func(string) string) (bucket.Bucket, error) {
					return nil, errors.New("open the fallback storage " + config.Fallback.Storage)
				}})
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, test.want)
			}
		})
	}
}

// TestLargestBody: nginx_admin_client_max_body_size bounds what the Admin API
// takes, and 0 does not.
func TestLargestBody(t *testing.T) {
	t.Parallel()
	body := fmt.Sprintf(`{"name":%q}`, strings.Repeat("x", 11<<20))
	for limit, want := range map[int64]int{0: http.StatusBadRequest, 1 << 20: http.StatusRequestEntityTooLarge} {
		cp := newCluster(t).start(conf.ControlPlane, t.TempDir(), func(config *conf.Config) { config.AdminMaxBody = limit })
		if got, text := request(t, "POST", "http://"+cp.Address("admin")+"/services", body); got != want {
			t.Errorf("limit %d: got %d %.100s, want %d", limit, got, text, want)
		}
	}
}
