// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"blackout/internal/gateway/clustertest"
	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/node"
)

// TestFallbackBoots: what verify calls bootable, a data plane boots from while its control
// plane is gone: seeded from a file, or exported from a control plane before it went.
func TestFallbackBoots(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "upstream") }))
	t.Cleanup(upstream.Close)
	kong := declare(t, strings.Replace(declaration, "http://orders.internal:8080", upstream.URL, 1))
	for name, fill := range map[string]func(s *site){
		"seeded": func(s *site) { s.expect(0, "seed", "--version", "3.9.1", "--file", kong) },
		"exported": func(s *site) {
			cp := s.node(conf.ControlPlane, nil)
			admin := "http://" + cp.Address("admin")
			cp.post(admin+"/services", `{"name":"orders","url":"`+upstream.URL+`"}`)
			cp.post(admin+"/services/orders/routes", `{"name":"list","paths":["/orders"]}`)
			cp.post(admin+"/services/orders/plugins", `{"name":"key-auth"}`)
			cp.post(admin+"/consumers", `{"username":"alice"}`)
			cp.post(admin+"/consumers/alice/key-auth", `{"key":"alice-secret-key"}`)
			s.expect(0, "export", "--version", "3.9.1", "--control-plane", admin)
			s.expect(0, "diff", "--version", "3.9.1", "--control-plane", admin)
			cp.post(admin+"/consumers", `{"username":"bob"}`)
			s.expect(1, "diff", "--version", "3.9.1", "--control-plane", admin)
			cp.end()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			fill(s)
			s.expect(0, "verify", "--version", "3.9.1", "--strict")
			dp := s.node(conf.DataPlane, func(c *conf.Config) {
				c.Fallback = conf.Fallback{Import: true, Storage: "s3://backup/eu", ReadAttempts: 1}
			})
			proxy := "http://" + dp.Address("proxy") + "/orders"
			for give := time.After(15 * time.Second); dp.get(proxy, "alice-secret-key") != http.StatusOK; {
				select {
				case <-give:
					t.Fatal("it does not serve")
				case <-time.After(5 * time.Millisecond):
				}
			}
			if status := dp.get(proxy, "another"); status != http.StatusUnauthorized {
				t.Errorf("a wrong key is answered %d", status)
			}
		})
	}
}

// expect runs a command that ends with an exit code.
func (s *site) expect(code int, args ...string) {
	s.t.Helper()
	if o := s.fallback(args...); o.code != code {
		s.t.Fatalf("%v: %+v, want exit code %d", args, o, code)
	}
}

// gateway is a node in this process.
type gateway struct {
	*node.Node
	t   *testing.T
	end func()
}

// node starts a node whose control plane, if it is not one, is gone.
func (s *site) node(role conf.Role, change func(*conf.Config)) *gateway {
	s.t.Helper()
	certificate, key := clustertest.Certificate(s.t)
	prefix := s.t.TempDir()
	loopback := []conf.Listener{{Address: "127.0.0.1:0"}}
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	_ = gone.Close() // nothing listens there from now on
	config := &conf.Config{
		Role: role, Prefix: prefix, Version: "3.9.1", BucketVersion: "3.9.1", StatusListen: loopback,
		Cluster:           conf.Cluster{Certificate: certificate, Key: key, ControlPlane: gone.Addr().String(), MaxPayload: 16 << 20, PurgeDelay: time.Hour},
		DBUpdateFrequency: 10 * time.Millisecond,
		Timing: conf.Timing{ReconnectMin: 50 * time.Millisecond, ReconnectMax: 100 * time.Millisecond, PingInterval: time.Second,
			Silence: 5 * time.Second, DialTimeout: 5 * time.Second, NoConfigurationWait: time.Second},
	}
	if role == conf.ControlPlane {
		config.AdminListen, config.Cluster.Listen = loopback, []conf.Listener{{Address: "127.0.0.1:0", TLS: true}}
		config.SQLitePath = filepath.Join(prefix, "blackout.db")
	} else {
		config.ProxyListen = loopback
	}
	if change != nil {
		change(config)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n, err := node.Start(ctx, node.Options{Config: config, Getenv: getenv(s.env), Rand: rand.New(rand.NewPCG(1, 2)), Hostname: "host",
		Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		cancel()
		s.t.Fatal(err)
	}
	g := &gateway{Node: n, t: s.t}
	g.end = sync.OnceFunc(func() {
		cancel()
		if err := n.Wait(); err != nil {
			s.t.Error(err)
		}
	})
	s.t.Cleanup(g.end)
	return g
}

// post makes an entity.
func (g *gateway) post(url, body string) {
	g.t.Helper()
	if status := g.send(http.MethodPost, url, body, ""); status != http.StatusCreated {
		g.t.Fatalf("POST %s: %d", url, status)
	}
}

// get asks with a key.
func (g *gateway) get(url, key string) int {
	g.t.Helper()
	return g.send(http.MethodGet, url, "", key)
}

func (g *gateway) send(method, url, body, key string) int {
	g.t.Helper()
	request, err := http.NewRequestWithContext(g.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("apikey", key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	return response.StatusCode
}
