// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"blackout/internal/fallback/bucket"
	"blackout/internal/gateway/clustertest"
	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/node"
	"blackout/internal/gateway/store"
	"blackout/internal/gateway/storetest"
	"blackout/internal/programtest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		os.Exit(code)
	}))
}

// cluster is what the nodes of one test share.
type cluster struct {
	t                testing.TB
	certificate, key []byte
	address          string // of the control plane; nothing listens there before it starts
	store            *fakeStore
	getenv           func(string) string // if set, the nodes open the real store that it tells of
	log              slog.Handler        // of all nodes
}

func newCluster(t testing.TB) *cluster {
	t.Helper()
	certificate, key := clustertest.Certificate(t)
	// The control plane has to come back at the same address, so that it cannot leave
	// the choice to the kernel.
	return &cluster{t: t, certificate: certificate, key: key, address: programtest.FreeAddress(t), store: &fakeStore{}, log: slog.DiscardHandler}
}

// running is a node that ends with the test, or before.
type running struct {
	*node.Node
	cluster *cluster
	end     func()
}

func (c *cluster) config(role conf.Role, prefix string) *conf.Config {
	config := &conf.Config{
		Role: role, Prefix: prefix, Version: "3.9.1", BucketVersion: "3.9.1", StatusListen: at("127.0.0.1:0"),
		Cluster:           conf.Cluster{Certificate: c.certificate, Key: c.key, ControlPlane: c.address, MaxPayload: 16 << 20, PurgeDelay: time.Hour},
		DBUpdateFrequency: 10 * time.Millisecond,
		Fallback:          conf.Fallback{Storage: "s3://bucket/prefix", ReadAttempts: 1},
		Timing: conf.Timing{ReconnectMin: 5 * time.Millisecond, ReconnectMax: 10 * time.Millisecond, PingInterval: 20 * time.Millisecond,
			Silence: 5 * time.Second, DialTimeout: 5 * time.Second, NoConfigurationWait: 100 * time.Millisecond},
	}
	if role == conf.ControlPlane {
		config.AdminListen, config.Cluster.Listen = at("127.0.0.1:0"), []conf.Listener{{Address: c.address, TLS: true}}
		config.SQLitePath = filepath.Join(prefix, "blackout.db")
	} else {
		config.ProxyListen = at("127.0.0.1:0")
	}
	return config
}

// at is a plain listener.
func at(address string) []conf.Listener { return []conf.Listener{{Address: address}} }

// start starts a node; change, if not nil, edits its configuration.
func (c *cluster) start(role conf.Role, prefix string, change func(*conf.Config)) *running {
	c.t.Helper()
	config := c.config(role, prefix)
	if change != nil {
		change(config)
	}
	options := node.Options{Config: config, Rand: rand.New(rand.NewPCG(1, 2)), Hostname: "host", Log: slog.New(c.log), Getenv: c.getenv}
	if c.getenv == nil {
		options.OpenBucket = func(*conf.Config, func(string) string) (bucket.Bucket, error) { return c.store, nil }
	}
	return c.launch(options, "the "+string(role))
}

// launch starts a node that ends with the test, or by its end.
func (c *cluster) launch(options node.Options, name string) *running {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	n, err := node.Start(ctx, options)
	if err != nil {
		cancel()
		c.t.Fatal(err)
	}
	end := sync.OnceFunc(func() {
		cancel()
		if err := n.Wait(); err != nil {
			c.t.Errorf("%s ended with %v", name, err)
		}
	})
	c.t.Cleanup(end)
	return &running{Node: n, cluster: c, end: end}
}

// fakeStore is an object store that holds one object and counts its requests.
type fakeStore struct {
	bucket.Bucket

	mu     sync.Mutex
	body   []byte
	notes  map[string]string // of body
	getErr error
	gate   chan struct{} // if set, Get waits for it, and for nothing else
	gets   int
	puts   int
	closes int
}

func (s *fakeStore) Get(context.Context, string, int64) (bucket.Object, error) {
	s.mu.Lock()
	s.gets++
	gate, err, body := s.gate, s.getErr, s.body
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if err == nil && body == nil {
		err = bucket.ErrNotFound
	}
	return bucket.Object{Body: body}, err
}

func (s *fakeStore) Head(context.Context, string) (bucket.Info, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.body == nil {
		return bucket.Info{}, bucket.ErrNotFound
	}
	return bucket.Info{Version: "etag", Metadata: s.notes}, nil
}

func (s *fakeStore) Put(_ context.Context, _ string, body bucket.Body, put bucket.PutOptions) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.puts++
	s.body, s.notes = body.Bytes(), put.Metadata
	return "etag", nil
}

// List tells of nothing.
func (s *fakeStore) List(context.Context, string, int) ([]bucket.Info, bool, error) {
	return nil, false, nil
}

func (s *fakeStore) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closes++
}

func (s *fakeStore) closed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closes
}

func (s *fakeStore) counts() (gets, puts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gets, s.puts
}

func (s *fakeStore) content() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.body)
}

// eventually waits until the condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(15 * time.Second)
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("not within 15 s: %s", what)
		case <-look.C:
		}
	}
}

func request(t testing.TB, method, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func (r *running) get(listener, path string) (int, string) {
	r.cluster.t.Helper()
	return request(r.cluster.t, "GET", "http://"+r.Address(listener)+path, "")
}

// admin makes a change that must be taken.
func (r *running) admin(method, path, body string) {
	r.cluster.t.Helper()
	if status, text := request(r.cluster.t, method, "http://"+r.Address("admin")+path, body); status >= 300 {
		r.cluster.t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
}

func (r *running) status() map[string]any {
	_, text := r.get("status", "/status")
	var status map[string]any
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		r.cluster.t.Fatal(err)
	}
	return status
}

func (r *running) awaitBody(path, want string) {
	r.cluster.t.Helper()
	eventually(r.cluster.t, fmt.Sprintf("%s answers %s", path, want), func() bool {
		_, body := r.get("proxy", path)
		return body == want
	})
}

func (r *running) awaitHash(want string) {
	r.cluster.t.Helper()
	eventually(r.cluster.t, "the configuration with the hash "+want+" is in force", func() bool {
		return r.status()["configuration_hash"] == want
	})
}

// hashIn is the hash of the configuration in a control plane's database.
func hashIn(t testing.TB, prefix string) string {
	t.Helper()
	db, err := store.Open(context.Background(), store.Options{Path: filepath.Join(prefix, "blackout.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	table, err := storetest.Export(context.Background(), db, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return entity.Hash(table.Table).Config
}

func (r *running) isReady() bool {
	status, _ := r.get("status", "/status/ready")
	return status == 200
}

// echo starts an upstream that answers with the path it is asked for, and
// returns its URL.
func echo(t testing.TB) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) }))
	t.Cleanup(server.Close)
	return server.URL
}

// table is a config_table of one service, whose route is "/".
func table(upstream, path string) string {
	host, port, _ := strings.Cut(strings.TrimPrefix(upstream, "http://"), ":")
	return fmt.Sprintf(`{"_format_version":"3.0","_transform":false,"services":[{"id":"00000001-0000-4000-8000-000000000001","host":%q,"port":%s,"path":%q}],`+
		`"routes":[{"id":"0000000b-0000-4000-8000-00000000000b","paths":["/"],"service":"00000001-0000-4000-8000-000000000001"}]}`, host, port, path)
}
