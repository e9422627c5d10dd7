// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"blackout/fixtures"
	"blackout/internal/impostor"
	"blackout/internal/programtest"
)

// gateway is one node of the reference gateway, a process that can be started
// again with another certificate.
type gateway struct {
	binary  string
	env     map[string]string
	log     *output
	running *exec.Cmd
}

// output is what a process has written so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func (g *gateway) start(id fixtures.Identity) error {
	g.running = exec.CommandContext(context.Background(), g.binary) // until stop, whatever the test's state
	g.running.Stdout, g.running.Stderr = g.log, g.log
	g.running.Env = []string{"KONG_CLUSTER_CERT=" + string(id.Certificate), "KONG_CLUSTER_CERT_KEY=" + string(id.Key)}
	for key, value := range g.env {
		g.running.Env = append(g.running.Env, key+"="+value)
	}
	return g.running.Start()
}

func (g *gateway) stop() {
	if g.running != nil {
		_ = g.running.Process.Kill()
		_ = g.running.Wait() // killed
	}
	g.running = nil
}

// gateways are a control plane and a data plane on an edge to it.
type gateways struct {
	*planes
	nodes        map[string]*gateway
	held         map[string]fixtures.Identity
	admin, proxy string // "host:port"
	upstream     string
}

var _ IdentityHolder = (*gateways)(nil)

func (g *gateways) Identity(node string) fixtures.Identity { return g.held[node] }

func (g *gateways) Identify(_ context.Context, node string, id fixtures.Identity) error {
	n := g.nodes[node]
	if n.running != nil {
		n.stop()
		if err := n.start(id); err != nil {
			return err
		}
	}
	g.held[node] = id
	return nil
}

func newGateways(t *testing.T, binary string) *gateways {
	t.Helper()
	id, err := fixtures.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) }))
	t.Cleanup(upstream.Close)
	scripts := impostor.New(slog.New(slog.DiscardHandler))
	api := httptest.NewServer(scripts.Handler())
	t.Cleanup(func() { api.Close(); scripts.CloseAll() })
	g := &gateways{
		planes: &planes{bench: newBench(t), cp: programtest.FreeAddress(t), scripts: scripts},
		held:   map[string]fixtures.Identity{"cp": id, "dp-1": id},
		admin:  programtest.FreeAddress(t), proxy: programtest.FreeAddress(t), upstream: upstream.Listener.Addr().String(),
	}
	g.lead(g.cp)
	listen := programtest.FreeAddress(t)
	g.with = ControlPlane{
		Impostor: impostor.NewClient(api.Listener.Addr().String()), Listen: listen, Upstream: listen, Identity: id,
		Through: at(g.at), Beside: at(g.other), Ask: question(2 * time.Second),
	}
	dir := t.TempDir()
	common := map[string]string{"KONG_LOG_LEVEL": "debug", "KONG_BLACKOUT_RECONNECT_MIN": "100ms", "KONG_BLACKOUT_RECONNECT_MAX": "200ms", "KONG_BLACKOUT_SILENCE": "2s", "KONG_BLACKOUT_PING_INTERVAL": "500ms"}
	node := func(name string, env map[string]string) *gateway {
		maps.Copy(env, common)
		env["KONG_PREFIX"], env["KONG_STATUS_LISTEN"] = filepath.Join(dir, name), programtest.FreeAddress(t)
		return &gateway{binary: binary, env: env, log: &output{}}
	}
	g.nodes = map[string]*gateway{
		"cp":   node("cp", map[string]string{"KONG_ROLE": "control_plane", "KONG_DATABASE": "sqlite", "KONG_ADMIN_LISTEN": g.admin, "KONG_CLUSTER_LISTEN": g.cp, "KONG_DB_UPDATE_FREQUENCY": "0.2"}),
		"dp-1": node("dp-1", map[string]string{"KONG_ROLE": "data_plane", "KONG_DATABASE": "off", "KONG_PROXY_LISTEN": g.proxy, "KONG_CLUSTER_CONTROL_PLANE": g.at}),
	}
	t.Cleanup(func() {
		for _, n := range g.nodes {
			n.stop()
		}
	})
	return g
}

func (g *gateways) start(node string) {
	g.t.Helper()
	if err := g.nodes[node].start(g.held[node]); err != nil {
		g.t.Fatal(err)
	}
}

// load gives the control plane the probed route in a generation.
func (g *gateways) load(generation int) {
	g.t.Helper()
	host, port, _ := strings.Cut(g.upstream, ":")
	for _, put := range [][2]string{
		{"/services/" + fixtures.ProbedService, fmt.Sprintf(`{"host":%q,"port":%s,"protocol":"http","path":%q}`, host, port, fixtures.GenerationPath(generation))},
		{"/services/" + fixtures.ProbedService + "/routes/probed", fmt.Sprintf(`{"paths":[%q]}`, fixtures.ProbedPath)},
	} {
		g.await("PUT "+put[0], func() (string, bool) {
			status, body := g.call(http.MethodPut, "http://"+g.admin+put[0], put[1])
			return body, status/100 == 2
		})
	}
}

func (g *gateways) call(method, url, body string) (int, string) {
	req, err := http.NewRequestWithContext(g.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(answer)
}

// await waits until look is satisfied.
func (g *gateways) await(what string, look func() (string, bool)) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), patience)
	defer cancel()
	if seen, err := until(ctx, func(context.Context) (string, bool) { return look() }); err != nil {
		g.t.Fatalf("%s: %s\ncontrol plane:\n%s\ndata plane:\n%s", what, seen, g.nodes["cp"].log, g.nodes["dp-1"].log)
	}
}

// serves waits until the data plane serves a generation.
func (g *gateways) serves(generation int) {
	g.t.Helper()
	g.await(fmt.Sprintf("generation %d is served", generation), func() (string, bool) {
		status, body := g.call(http.MethodGet, "http://"+g.proxy+fixtures.ProbedPath, "")
		return fmt.Sprintf("%d %s", status, body), status == http.StatusOK && body == fixtures.GenerationPath(generation)
	})
}

// dials waits until the data plane has tried several times to reach the control
// plane.
func (g *gateways) dials() {
	g.t.Helper()
	first, err := g.links.Read(g.t.Context(), g.edge)
	if err != nil {
		g.t.Fatal(err)
	}
	g.await("the data plane dials", func() (string, bool) {
		now, err := g.links.Read(g.t.Context(), g.edge)
		return fmt.Sprintf("%d attempts, %v", now.Connections-first.Connections, err), err == nil && now.Connections >= first.Connections+3
	})
}

// stage brings a fault into force and lets it be witnessed.
func (g *gateways) stage(f *Fault) {
	g.t.Helper()
	g.inject(f)
	if seen, err := g.witness(f, patience); err != nil {
		g.t.Fatalf("%v\nseen: %s", err, seen)
	}
}

// mend heals a fault, lets that be witnessed, and cleans up.
func (g *gateways) mend(f *Fault) {
	g.t.Helper()
	if err := f.Heal(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
	if _, err := g.witnessHealed(f, patience); err != nil {
		g.t.Fatal(err)
	}
	if err := f.Clean(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
}

// TestOnTheReferenceGateway: the same life cycles with processes that know
// nothing of a test.
func TestOnTheReferenceGateway(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "gateway")
	if said, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "blackout/cmd/gateway").CombinedOutput(); err != nil {
		t.Fatalf("build the gateway: %v\n%s", err, said)
	}
	t.Run("control planes", func(t *testing.T) { t.Parallel(); newGateways(t, binary).planesCome() })
	t.Run("certificates", func(t *testing.T) { t.Parallel(); newGateways(t, binary).certificatesCome() })
}

// planesCome stages every kind in turn. What an older database makes the data
// plane serve is older, and everything else leaves it what it had.
func (g *gateways) planesCome() {
	g.start("cp")
	g.load(newer)
	g.start("dp-1")
	g.serves(newer)
	for _, kind := range planeKinds {
		f := g.plane(g.spec(kind))
		g.stage(f)
		g.awaitRecord(func(r impostor.Record) bool { // the data plane has come too
			for _, one := range r.Connections {
				if one.Node != asker && (one.Node != "" || kind == PlaneSilentTLS && one.N > 1) {
					return true
				}
			}
			return false
		})
		if kind == PlaneOlder {
			g.serves(older)
		} else {
			g.serves(newer)
		}
		g.mend(f)
		g.serves(newer)
	}
}

// certificatesCome stages every kind in turn on a running data plane, which must
// miss a change while it is refused and learn of it afterwards, and then one on a
// data plane that is added with it.
func (g *gateways) certificatesCome() {
	g.start("cp")
	generation := newer
	g.load(generation)
	g.start("dp-1")
	g.serves(generation)
	with := Certificates{Nodes: g, ControlPlane: "cp", Beside: g.with.Beside, Ask: g.with.Ask}
	for _, kind := range []Kind{CertificateWrong, CertificateExpired, CertificateRotated} {
		spec := Spec{Kind: kind, Node: "dp-1"}
		f := New(spec, NewCertificate(spec, with), g.ledger())
		g.stage(f)
		g.load(generation + 1)
		g.dials()
		g.serves(generation) // what it has on its disk
		generation++
		g.mend(f)
		g.serves(generation)
	}
	g.nodes["dp-1"].stop()
	spec := Spec{Kind: CertificateWrong, Node: "dp-1"}
	f := New(spec, NewCertificate(spec, with), g.ledger())
	g.stage(f)
	if g.nodes["dp-1"].running != nil {
		g.t.Error("a node that was not started yet was started")
	}
	g.start("dp-1")
	g.load(generation + 1)
	g.dials()
	g.serves(generation)
	g.mend(f)
	g.serves(generation + 1)
}
