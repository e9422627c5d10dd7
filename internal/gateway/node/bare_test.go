// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"context"
	"crypto/md5" // #nosec G501 -- stands in for a configuration's hash
	"crypto/tls"
	"encoding/hex"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blackout/internal/gateway/clustertest"
	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/hybrid"
)

// bareControlPlane takes data planes at the cluster's address and sends them
// what the test publishes, valid or not.
func bareControlPlane(t *testing.T, c *cluster) *hybrid.Server {
	t.Helper()
	identity, err := hybrid.NewIdentity(c.certificate, c.key)
	if err != nil {
		t.Fatal(err)
	}
	server := hybrid.NewServer(hybrid.ServerOptions{Identity: identity, Version: "3.9.1", Log: slog.New(slog.DiscardHandler),
		Record: func(context.Context, hybrid.DataPlane) error { return nil }})
	listener, err := tls.Listen("tcp", c.address, identity.ServerTLS())
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	web := &http.Server{Handler: server}
	go func() { defer close(served); _ = web.Serve(listener) }()
	t.Cleanup(func() { _ = web.Close(); server.Close(); <-served })
	return server
}

// publish publishes a table and returns the hash that goes with it.
func publish(t *testing.T, server *hybrid.Server, table string) string {
	t.Helper()
	sum := md5.Sum([]byte(table)) // any 32 characters that follow the content will do
	hash := hex.EncodeToString(sum[:])
	server.Publish(hybrid.Publication{Frame: clustertest.Frame(t, []byte(table), entity.Hashes{Config: hash}, time.Unix(0, 0))})
	return hash
}

func TestImportBehindAControlPlaneThatSendsNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.store.body = []byte(table(echo(t), "/gen/7"))
	bareControlPlane(t, c)
	c.start(conf.DataPlane, t.TempDir(), importing).awaitBody("/x", "/gen/7/x")
}

func TestImportBehindAControlPlaneThatSendsAnInvalidConfiguration(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.store.body = []byte(table(echo(t), "/gen/7"))
	publish(t, bareControlPlane(t, c), `{"_format_version":"3.0","services":[{"id":1}]}`)
	c.start(conf.DataPlane, t.TempDir(), importing).awaitBody("/x", "/gen/7/x")
}

func TestAnInvalidConfigurationNeverReplacesAGoodOne(t *testing.T) {
	t.Parallel()
	c, upstream, dir := newCluster(t), echo(t), t.TempDir()
	server := bareControlPlane(t, c)
	hash := publish(t, server, table(upstream, "/gen/1"))
	dp := c.start(conf.DataPlane, dir, nil)
	dp.awaitHash(hash)
	for _, bad := range []string{
		`{}`, `{"_format_version":"9.0","services":[{"id":"00000001-0000-4000-8000-000000000001","host":"h"}]}`,
		strings.Replace(table(upstream, "/gen/2"), `"service":"00000001`, `"service":"00000002`, 1),
		strings.Replace(table(upstream, "/gen/2"), `"routes"`, `"plugins":[{"id":"0000000e-0000-4000-8000-00000000000e","name":"no-such-plugin"}],"routes"`, 1),
	} {
		publish(t, server, bad)
	}
	dp.end() // the last of them may still be on its way: what is kept counts as well
	again := c.start(conf.DataPlane, dir, nil)
	if _, body := again.get("proxy", "/x"); body != "/gen/1/x" || !again.isReady() || again.status()["configuration_hash"] != hash {
		t.Errorf("after invalid configurations: %s, ready %v", body, again.isReady())
	}
	publish(t, server, table(upstream, "/gen/3"))
	again.awaitBody("/x", "/gen/3/x")
}

func TestAnInvalidConfigurationIsTold(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	server := bareControlPlane(t, c)
	good := publish(t, server, table(echo(t), "/gen/1"))
	dp := c.start(conf.DataPlane, t.TempDir(), nil)
	dp.awaitHash(good)
	publish(t, server, `{"_format_version":"3.0","services":[{"id":1}]}`)
	eventually(t, "the refusal is counted", func() bool {
		_, body := dp.get("status", "/metrics")
		return strings.Contains(body, "\nblackout_configuration_refused_total 1\n")
	})
	if hash := dp.status()["configuration_hash"]; hash != good || !dp.isReady() {
		t.Errorf("the hash is %v, want %s; ready %v", hash, good, dp.isReady())
	}
}

// A disk that is full costs the next start, not this one; once it has room again,
// the next configuration is kept.
func TestAFullDiskDoesNotStopServing(t *testing.T) {
	t.Parallel()
	c, upstream, dir := newCluster(t), echo(t), t.TempDir()
	partial := filepath.Join(dir, "config.cache.tmp")
	if err := os.Symlink("/dev/full", partial); err != nil {
		t.Skipf("this system has no /dev/full: %v", err)
	}
	server := bareControlPlane(t, c)
	hash := publish(t, server, table(upstream, "/gen/1"))
	dp := c.start(conf.DataPlane, dir, nil)
	dp.awaitHash(hash)
	if _, body := dp.get("proxy", "/x"); body != "/gen/1/x" || !dp.isReady() {
		t.Errorf("with a full disk: %s, ready %v", body, dp.isReady())
	}
	if _, err := os.Stat(filepath.Join(dir, "config.cache")); err == nil {
		t.Error("a full disk has kept something")
	}
	dp.awaitHash(publish(t, server, table(upstream, "/gen/2")))
	if _, err := os.Stat(filepath.Join(dir, "config.cache")); err != nil {
		t.Errorf("after there is room: %v", err)
	}
}
