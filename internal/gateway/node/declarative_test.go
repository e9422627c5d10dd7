// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"blackout/internal/gateway/cache"
	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/node"
)

const usable, damaged = "usable", "damaged"

// cacheFor puts a cache of the given state into a prefix; "" means none.
func cacheFor(t *testing.T, prefix, state, table string) {
	t.Helper()
	local := cache.Cache{Path: filepath.Join(prefix, "config.cache"), Version: "3.9.1"}
	var err error
	switch state {
	case usable:
		err = local.Save(cache.Entry{Hash: strings.Repeat("c", 32), Table: []byte(table)})
	case damaged:
		err = os.WriteFile(local.Path, []byte("garbage"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// declaration is a declarative file, as people write them: nested, without ids.
func declaration(upstream, path string) string {
	return fmt.Sprintf("_format_version: \"3.0\"\nservices:\n- name: s\n  url: %s%s\n  routes:\n  - paths: [/]\n", upstream, path)
}

// placeholder is a file that holds nothing.
const placeholder = "_format_version: \"3.0\"\n"

func fileOf(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kong.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestStartOrder: what a data plane serves whose control plane is down, and
// which may import.
func TestStartOrder(t *testing.T) {
	t.Parallel()
	upstream := echo(t)
	file := declaration(upstream, "/file")
	for _, test := range []struct {
		order       conf.DeclarativeOrder
		cache, file string
		want        string
	}{
		{conf.CacheFirst, "", "", "store"},
		{conf.CacheFirst, "", file, "declarative_config"},
		{conf.CacheFirst, usable, "", "cache"},
		{conf.CacheFirst, usable, file, "cache"},
		{conf.FileFirst, "", "", "store"},
		{conf.FileFirst, "", file, "declarative_config"},
		{conf.FileFirst, usable, "", "cache"},
		{conf.FileFirst, usable, file, "declarative_config"},

		{conf.CacheFirst, damaged, file, "declarative_config"},
		{conf.CacheFirst, damaged, placeholder, "store"},
		{conf.CacheFirst, usable, "not: [read", "cache"},
		{conf.FileFirst, damaged, file, "declarative_config"},
		{conf.FileFirst, usable, placeholder, "cache"},
		{conf.FileFirst, "", placeholder, "store"},
	} {
		t.Run(fmt.Sprintf("%s %s cache %.10q", test.order, test.cache, test.file), func(t *testing.T) {
			t.Parallel()
			c, dir := newCluster(t), t.TempDir()
			c.store.body = []byte(table(upstream, "/store"))
			cacheFor(t, dir, test.cache, table(upstream, "/cache"))
			dp := c.start(conf.DataPlane, dir, func(config *conf.Config) {
				importing(config)
				config.DeclarativeOrder = test.order
				if test.file != "" {
					config.DeclarativeConfig = fileOf(t, test.file)
				}
			})
			reads := 0
			if test.want == "store" {
				eventually(t, "ready after the import", dp.isReady)
				reads = 1
			}
			body := map[string]string{"store": "/store/x", "cache": "/cache/x", "declarative_config": "/file/x"}[test.want]
			if _, got := dp.get("proxy", "/x"); got != body || !dp.isReady() {
				t.Errorf("got %s, want %s; ready: %v", got, body, dp.isReady())
			}
			if _, told := dp.get("status", "/metrics"); !strings.Contains(told, "\nblackout_configuration_source{source=\""+test.want+"\"} 1\n") {
				t.Errorf("tells another source than %s: %s", test.want, told)
			}
			dp.end() // an import that had begun would have ended
			if gets, puts := c.store.counts(); gets != reads || puts != 0 {
				t.Errorf("%d reads and %d writes of the store, want %d reads", gets, puts, reads)
			}
			// It is on the disk: the same again without file and store.
			if _, got := c.start(conf.DataPlane, dir, nil).get("proxy", "/x"); got != body {
				t.Errorf("restarted it answers %s, want %s", got, body)
			}
		})
	}
}

func TestTheControlPlaneReplacesTheDeclarativeConfiguration(t *testing.T) {
	t.Parallel()
	c, upstream, dir := newCluster(t), echo(t), t.TempDir()
	text := declaration(upstream, "/file")
	declared := func(config *conf.Config) {
		importing(config)
		exporting(config)
		config.DeclarativeConfigString = text
	}
	dp := c.start(conf.DataPlane, dir, declared)
	parsed, err := entity.ParseDeclarative([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	hashes, err := parsed.Hashes()
	if err != nil {
		t.Fatal(err)
	}
	if got := dp.status()["configuration_hash"]; got != hashes.Config {
		t.Errorf("its hash is %v, want %s", got, hashes.Config)
	}
	cp := c.start(conf.ControlPlane, t.TempDir(), nil)
	cp.admin("PUT", "/services/s", `{"url":"`+upstream+`/gen/1"}`)
	cp.admin("POST", "/services/s/routes", `{"paths":["/"]}`)
	dp.awaitBody("/x", "/gen/1/x")
	cp.end()
	dp.end()
	if gets, _ := c.store.counts(); gets != 0 {
		t.Errorf("the store was read %d times", gets)
	}
	if strings.Contains(c.store.content(), "/file") {
		t.Error("the declarative configuration was exported")
	}
	if _, got := c.start(conf.DataPlane, dir, declared).get("proxy", "/x"); got != "/gen/1/x" {
		t.Errorf("restarted it answers %s", got)
	}
}

func TestTheFileBeatsTheText(t *testing.T) {
	t.Parallel()
	c, upstream := newCluster(t), echo(t)
	dp := c.start(conf.DataPlane, t.TempDir(), func(config *conf.Config) {
		config.DeclarativeConfig, config.DeclarativeConfigString = fileOf(t, declaration(upstream, "/file")), declaration(upstream, "/text")
	})
	if _, got := dp.get("proxy", "/x"); got != "/file/x" {
		t.Errorf("got %s", got)
	}
}

func TestABadDeclarativeConfigurationStopsTheStart(t *testing.T) {
	t.Parallel()
	const version = "_format_version: \"3.0\"\n"
	for name, test := range map[string]struct{ text, want string }{
		"field":     {version + "services: [{host: a}, {name: s, port: x}]", "kong.yml: services.2.host: required field missing; services.2.port: expected an integer"},
		"nested":    {version + "services: [{host: a, routes: [{paths: [/, x]}]}]", "services.1.routes.1.paths.2: should start with"},
		"many":      {version + "services: [{}, {}, {}, {}, {}]", "services.3.host: required field missing; and 2 more"},
		"section":   {version + "servces: []", "kong.yml: servces: unknown field"},
		"row":       {version + "services: [{name: s, host: a}, {name: s, host: b, id: 00000001-0000-4000-8000-000000000001}]", "services.2: uniqueness violation"},
		"fields":    {version + "routes: [{name: r}]", "kong.yml: routes.1: must set one of"},
		"reference": {version + "routes: [{paths: [/], service: none}]", "routes.1.service: invalid reference 'services: none'"},
		"plugin":    {version + "plugins: [{name: none}]", "plugins.1.name: plugin 'none' not enabled"},
		"regex":     {version + "services: [{host: a, routes: [{paths: ['~/(']}]}]", "services.1.routes.1.paths"},
		"version":   {"services: []", "kong.yml: _format_version: required field missing"},
		"YAML":      {version + "services: [", "kong.yml: decode the declarative configuration: yaml: line"},
		"JSON":      {`{"_format_version":"3.0","services":[}`, "kong.yml: decode the declarative configuration"},
		"nothing":   {"", "kong.yml: decode the declarative configuration: the document is empty"},
		"secrets": {version + "consumers: [{username: u, keyauth_credentials: [{key: s3cr3t}, {key: s3cr3t}]}]",
			"consumers.1.keyauth_credentials.2: uniqueness violation"},
		"missing": {"-", "declarative_config: open "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, dir := newCluster(t), t.TempDir()
			cacheFor(t, dir, usable, table("http://127.0.0.1:1", "/cache")) // which the order makes second
			config := c.config(conf.DataPlane, dir)
			config.DeclarativeOrder, config.DeclarativeConfig = conf.FileFirst, fileOf(t, test.text)
			if name == "missing" {
				config.DeclarativeConfig = filepath.Join(dir, "none.yml")
			}
			_, err := node.Start(context.Background(), node.Options{Config: config, Rand: rand.New(rand.NewPCG(1, 2)), Log: slog.New(slog.DiscardHandler)})
			if err == nil {
				t.Fatal("it started")
			}
			if line := err.Error(); !strings.Contains(line, test.want) || strings.ContainsAny(line, "\n") ||
				!strings.HasPrefix(line, "declarative_config") || strings.Contains(line, "s3cr3t") {
				t.Errorf("got %s\nwant one line with %s", line, test.want)
			}
			kept, err := (cache.Cache{Path: filepath.Join(dir, "config.cache"), Version: "3.9.1"}).Load()
			if err != nil || !strings.Contains(string(kept.Table), "/cache") {
				t.Errorf("the cache is another: %v", err)
			}
		})
	}
}

func TestAControlPlaneIgnoresTheDeclarativeConfiguration(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	cp := c.start(conf.ControlPlane, t.TempDir(), func(config *conf.Config) { config.DeclarativeConfig = fileOf(t, "not: [read") })
	if _, body := cp.get("admin", "/services"); !strings.Contains(body, `"data":[]`) {
		t.Errorf("it has %s", body)
	}
}
