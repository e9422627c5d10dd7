// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package roundtrip_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
	"blackout/internal/gateway/clustertest"
	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/entity/entitytest"
	"blackout/internal/gateway/node"
	"blackout/internal/programtest"
)

// cluster is what the nodes of a test share.
type cluster struct {
	t           *testing.T
	certificate []byte
	key         []byte
	address     string // of the control plane
	memory      *buckettest.Memory
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, address: programtest.FreeAddress(t), memory: &buckettest.Memory{}}
	c.certificate, c.key = clustertest.Certificate(t)
	return c
}

// Write shows what the nodes log, if the test fails.
func (c *cluster) Write(line []byte) (int, error) {
	c.t.Logf("%s", line)
	return len(line), nil
}

// start starts a node with these variables beside the usual ones. end ends it.
func (c *cluster) start(role conf.Role, prefix string, more ...string) (started *node.Node, end func()) {
	c.t.Helper()
	variables := []string{"KONG_ROLE=" + string(role), "KONG_PREFIX=" + prefix, "KONG_CLUSTER_CERT=" + string(c.certificate), "KONG_CLUSTER_CERT_KEY=" + string(c.key),
		"KONG_STATUS_LISTEN=127.0.0.1:0", "KONG_BLACKOUT_RECONNECT_MIN=5ms", "KONG_BLACKOUT_RECONNECT_MAX=10ms",
		"KONG_CLUSTER_FALLBACK_CONFIG_STORAGE=s3://bucket/prefix", "KONG_CLUSTER_FALLBACK_CONFIG_EXPORT_DELAY=0"}
	if role == conf.DataPlane {
		variables = append(variables, "KONG_DATABASE=off", "KONG_PROXY_LISTEN=127.0.0.1:0", "KONG_CLUSTER_CONTROL_PLANE="+c.address)
	} else {
		variables = append(variables, "KONG_DATABASE=sqlite", "KONG_ADMIN_LISTEN=127.0.0.1:0", "KONG_CLUSTER_LISTEN="+c.address, "KONG_DB_UPDATE_FREQUENCY=0.01")
	}
	config, err := conf.Load(conf.Source{Environ: append(variables, more...)})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	started, err = node.Start(ctx, node.Options{Config: config, Rand: mathrand.New(mathrand.NewPCG(1, 2)), Hostname: "host", Log: slog.New(slog.NewTextHandler(c, &slog.HandlerOptions{Level: slog.LevelWarn})),
		OpenBucket: func(*conf.Config, func(string) string) (bucket.Bucket, error) { return c.memory, nil }})
	if err != nil {
		cancel()
		c.t.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		cancel()
		if err := started.Wait(); err != nil {
			c.t.Errorf("the %s ended with %v", role, err)
		}
	})
	c.t.Cleanup(end)
	return started, end
}

// direct follows no redirect.
var direct = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// do sends a request to a node's listener.
func (c *cluster) do(to *node.Node, listener, method, path, host string, header map[string]string, body []byte) (int, string) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), method, "http://"+to.Address(listener)+path, strings.NewReader(string(body)))
	if err != nil {
		c.t.Fatal(err)
	}
	if request.Host = host; body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := direct.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func (c *cluster) hash(of *node.Node) string {
	c.t.Helper()
	_, text := c.do(of, "status", "GET", "/status", "", nil, nil)
	hash, _ := decode(c.t, []byte(text))["configuration_hash"].(string)
	return hash
}

// configure makes the entities of a database by the Admin API.
func (c *cluster) configure(cp *node.Node, made *entitytest.Database) {
	c.t.Helper()
	for _, schema := range append(entity.All(), entity.Credentials()...) {
		for _, record := range made.Rows[schema.Name] {
			path, body := "/"+schema.Path, entity.Record{}
			for name, value := range record {
				if value != nil && name != "created_at" && name != "updated_at" && name != "cert_digest" && name != "ttl" {
					body[name] = value
				}
			}
			if schema.Below {
				path = "/upstreams/" + record.Reference("upstream") + path
			}
			if status, text := c.do(cp, "admin", "POST", path, "", nil, encode(c.t, body)); status != http.StatusCreated {
				c.t.Fatalf("POST %s %v: %d %s", path, body, status, text)
			}
		}
	}
}

// answers asks a data plane all that it has to answer.
func (c *cluster) answers(dp *node.Node, probes []entitytest.Probe) {
	c.t.Helper()
	for _, probe := range probes {
		if status, text := c.do(dp, "proxy", probe.Method, probe.Path, probe.Host, probe.Header, nil); status != probe.Status {
			c.t.Fatalf("%s: got %d %s, want %+v", probe.What, status, text, probe)
		}
	}
}

// TestRoundTripThroughNodes makes configurations by the Admin API of a real control
// plane, which a backup node, and in another case the control plane itself, keeps in
// the bucket. A new data plane starts from there while the control plane is dead.
func TestRoundTripThroughNodes(t *testing.T) {
	t.Parallel()
	upstream, asked := backend(t), 0
	for seed := range 8 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c := newCluster(t)
			made := entitytest.Make(entitytest.Seeded(uint64(seed)), entitytest.Options{Backend: upstream, Size: 1, Least: 80, Fresh: true})
			of := []string{"KONG_CLUSTER_FALLBACK_CONFIG_EXPORT=off", "KONG_CLUSTER_FALLBACK_CONFIG_EXPORT=on"}
			cp, endCP := c.start(conf.ControlPlane, t.TempDir(), of[seed%2])
			fed, endFed := c.start(conf.DataPlane, t.TempDir(), of[1-seed%2])
			c.configure(cp, made)
			want, table := c.settled(cp, fed)
			probes := entitytest.Probes(table, time.Now())
			c.answers(fed, probes)
			endFed()
			endCP()

			imported, _ := c.start(conf.DataPlane, t.TempDir(), "KONG_CLUSTER_FALLBACK_CONFIG_IMPORT=on")
			await(t, "the import", func() bool { return c.hash(imported) != entity.EmptyHash })
			if hash := c.hash(imported); hash != want {
				t.Errorf("the control plane's configuration has the hash %s, the imported one %s", want, hash)
			}
			c.answers(imported, append(probes, entitytest.Absent(made, table)...))
			asked += len(probes)
		})
	}
	t.Logf("round trips through nodes: %d requests", asked)
}

// settled waits until the newest configuration is in the bucket and in force, and
// returns its hash and the table. The newest is known by a service that is made now.
func (c *cluster) settled(cp, dp *node.Node) (hash string, table map[string]any) {
	c.t.Helper()
	const last = "the-last-service"
	if status, text := c.do(cp, "admin", "PUT", "/services/"+last, "", nil, []byte(`{"host":"last.internal"}`)); status != http.StatusOK {
		c.t.Fatalf("%d %s", status, text)
	}
	await(c.t, "the export of what is in force", func() bool {
		object, err := c.memory.Get(background(), key, 1<<30)
		if err != nil || !strings.Contains(string(object.Body), last) {
			return false
		}
		table = decode(c.t, object.Body)
		hash = hashOf(table)
		return hash == c.hash(dp)
	})
	return hash, table
}
