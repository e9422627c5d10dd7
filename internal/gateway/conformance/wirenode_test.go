// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"blackout/internal/gateway/clustertest"
	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/node"
)

// testNode is one of our nodes, with the cluster's certificate.
type testNode struct {
	*node.Node
	certificate, key []byte
	log              *logText
	end              func()
}

// logText keeps what a node logs.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// environment is what a node is started with, apart from the certificate.
func environment(t testing.TB, role conf.Role, controlPlane, prefix string) []string {
	t.Helper()
	certificate, key := clustertest.Certificate(t)
	variables := []string{
		"KONG_ROLE=" + string(role), "KONG_PREFIX=" + prefix, "KONG_CLUSTER_CERT=" + string(certificate), "KONG_CLUSTER_CERT_KEY=" + string(key),
		"KONG_STATUS_LISTEN=127.0.0.1:0", "KONG_BLACKOUT_RECONNECT_MIN=5ms", "KONG_BLACKOUT_RECONNECT_MAX=10ms",
		"KONG_BLACKOUT_PING_INTERVAL=1h", // a data plane then pings when something happens, and at no other time
	}
	if role == conf.DataPlane {
		return append(variables, "KONG_DATABASE=off", "KONG_PROXY_LISTEN=127.0.0.1:0", "KONG_CLUSTER_CONTROL_PLANE="+controlPlane)
	}
	return append(variables, "KONG_DATABASE=sqlite", "KONG_ADMIN_LISTEN=127.0.0.1:0", "KONG_CLUSTER_LISTEN=127.0.0.1:0", "KONG_DB_UPDATE_FREQUENCY=0.05")
}

func startNode(t testing.TB, variables []string, certificate, key []byte, change ...func(*node.Options)) *testNode {
	t.Helper()
	config, err := conf.Load(conf.Source{Environ: variables})
	if err != nil {
		t.Fatal(err)
	}
	if certificate == nil {
		certificate, key = config.Cluster.Certificate, config.Cluster.Key
	}
	config.Cluster.Certificate, config.Cluster.Key = certificate, key
	started := &testNode{certificate: certificate, key: key, log: &logText{}}
	ctx, cancel := context.WithCancel(context.Background())
	options := node.Options{Config: config, Rand: mathrand.New(mathrand.NewPCG(1, 2)), Hostname: "dp-host",
		Log: slog.New(slog.NewTextHandler(started.log, nil))}
	for _, change := range change {
		change(&options)
	}
	started.Node, err = node.Start(ctx, options)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	started.end = sync.OnceFunc(func() {
		cancel()
		if err := started.Wait(); err != nil {
			t.Errorf("the node ended with %v", err)
		}
	})
	t.Cleanup(started.end)
	return started
}

func startDataPlane(t testing.TB, cp *recordedControlPlane, prefix string) *testNode {
	t.Helper()
	return startNode(t, environment(t, conf.DataPlane, cp.address, prefix), cp.certificate, cp.key)
}

func startControlPlane(t testing.TB) *testNode {
	t.Helper()
	return startNode(t, environment(t, conf.ControlPlane, "", t.TempDir()), nil, nil)
}

// nodeAnswer is what a node answered.
type nodeAnswer struct {
	status int
	header http.Header
	body   string
}

// do asks a listener of the node.
func (n *testNode) do(t testing.TB, request *http.Request) nodeAnswer {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return nodeAnswer{response.StatusCode, response.Header, string(body)}
}

func (n *testNode) request(t testing.TB, method, listener, path, body string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+n.Address(listener)+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return request
}

func (n *testNode) get(t testing.TB, listener, path string) (int, string) {
	t.Helper()
	answer := n.do(t, n.request(t, http.MethodGet, listener, path, ""))
	return answer.status, answer.body
}

func (n *testNode) status(t testing.TB) map[string]any {
	t.Helper()
	_, body := n.get(t, "status", "/status")
	return decodeTable(t, []byte(body))
}

// checkServes asks for the paths of the plain routes of a configuration. Whether
// the upstream answers is not the question; that the route is found is.
func (n *testNode) checkServes(t *testing.T, table map[string]any) {
	t.Helper()
	routes, _ := table["routes"].([]any)
	asked := 0
	for _, row := range routes {
		row, _ := row.(map[string]any)
		route := entity.Record(row)
		paths, hosts := route.Texts("paths"), route.Texts("hosts")
		if !strings.Contains(fmt.Sprint(route["protocols"]), "http ") || len(paths) == 0 || strings.HasPrefix(paths[0], "~") || len(hosts) > 0 || route["headers"] != nil {
			continue
		}
		asked++
		if status, body := n.get(t, "proxy", paths[0]); strings.Contains(body, "no Route matched") {
			t.Errorf("%s: %d %s", paths[0], status, body)
		}
	}
	if status, _ := n.get(t, "proxy", "/no/such/path"); status != http.StatusNotFound {
		t.Errorf("an unknown path is answered with %d", status)
	}
	t.Logf("wire: %d routes of %d asked for", asked, len(routes))
}

// awaitRow waits until the control plane knows the recorded data plane by the
// hash of its last ping.
func (n *testNode) awaitRow(t *testing.T, hash string) {
	t.Helper()
	type row struct {
		ID, Hostname, IP, Version string
		ConfigHash                string `json:"config_hash"`
		SyncStatus                string `json:"sync_status"`
		Labels                    map[string]any
		LastSeen                  int64 `json:"last_seen"`
	}
	var body string
	awaited := eventuallyTrue(func() bool {
		_, body = n.get(t, "admin", "/clustering/data-planes")
		var page struct{ Data []row }
		if json.Unmarshal([]byte(body), &page) != nil || len(page.Data) != 1 {
			return false
		}
		dp := page.Data[0]
		return dp.ID == "c9a762f6-64fc-40ff-bf01-096f56904d5e" && dp.Hostname == "dp-host" && dp.IP == "127.0.0.1" && dp.Version == "3.9.1" &&
			dp.ConfigHash == hash && dp.SyncStatus == "normal" && len(dp.Labels) == 0 && time.Since(time.Unix(dp.LastSeen, 0)) < time.Minute
	})
	if !awaited {
		t.Errorf("the row of the data plane with the hash %s: %s", hash, body)
	}
}

// eventuallyTrue waits for a condition and says whether it came true.
func eventuallyTrue(condition func() bool) bool {
	deadline, look := time.After(15*time.Second), time.NewTicker(5*time.Millisecond)
	defer look.Stop()
	for !condition() {
		select {
		case <-deadline:
			return false
		case <-look.C:
		}
	}
	return true
}

// wirePair is a certificate of the test's with its key, both PEM.
func wirePair(t testing.TB) (certificate, key string) {
	t.Helper()
	c, k := clustertest.Certificate(t)
	return string(c), string(k)
}

// wireKey is a key of the test's as entities of the type keys have it.
func wireKey(t testing.TB) map[string]any {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})),
		"public_key":  string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
	}
}
