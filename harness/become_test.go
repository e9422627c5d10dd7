// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"blackout/harness/engine"
	"blackout/harness/plan"
	"blackout/harness/topology"
)

// place is a site that has what a test gives it.
type place struct {
	engine.Site
	name  string
	ports map[string]bool
}

func (p place) Name() string              { return p.name }
func (p place) Dir() string               { return "/data" }
func (p place) Listen(port string) string { return "0.0.0.0:" + port }
func (p place) Peer(port string) string   { return p.name + ":" + port }
func (p place) AddPort(port string) error {
	if p.ports[port] {
		return fmt.Errorf("port %s: the name is taken", port)
	}
	p.ports[port] = true
	return nil
}

func (p place) Share(context.Context, string) (string, error) {
	return "", fmt.Errorf("share with %s: it was started", p.name)
}

// starter is an engine that notes what it is told to start.
type starter struct {
	engine.Engine
	started []engine.Process
}

func (e *starter) Start(_ context.Context, at engine.Site, process engine.Process) (engine.Node, error) {
	e.started = append(e.started, process)
	return containedNode{nil, &contained{name: at.Name(), wrote: "1"}}, nil
}

// becoming is a cluster in which a control plane and dp-1 run, and how it starts
// nodes.
func becoming(t *testing.T) (*Cluster, *starter) {
	t.Helper()
	e := &starter{}
	c, _ := watching(t)
	t.Cleanup(func() {
		c.stopWatch()
		c.watchers.Wait()
	})
	c.engine, c.watching = e, map[string]bool{"dp-1": true}
	c.topology = c.topology.With(topology.Node{Name: "dp-1", Role: topology.DataPlane})
	for _, name := range []string{topology.Toxiproxy, "cp", "dp-1"} {
		c.has.addSite(place{name: name, ports: make(map[string]bool)})
		c.has.addNode(stub{name: name})
	}
	edge := c.topology.CPEdge("dp-1")
	if err := c.has.site(topology.Toxiproxy).AddPort(edge.String()); err != nil {
		t.Fatal(err)
	}
	c.has.addEdge(edge)
	c.has.setProcess("dp-1", engine.Process{Env: map[string]string{"KONG_CLUSTER_CONTROL_PLANE": "toxiproxy:dp-1>cp"}})
	return c, e
}

// TestParameterGoesAway when a topology does not have it any more.
func TestParameterGoesAway(t *testing.T) {
	t.Parallel()
	c, e := becoming(t)
	before := c.topology
	changed := before.WithParameter("dp-1", "log_level", "info").WithParameter("dp-1", "mem_cache_size", "1m")
	for _, next := range []topology.Topology{changed, before} {
		if err := (Become{next}).Do(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if len(e.started) != 2 {
		t.Fatalf("started %d times, want twice", len(e.started))
	}
	first, second := e.started[0].Env, e.started[1].Env
	if first["KONG_LOG_LEVEL"] != "info" || first["KONG_MEM_CACHE_SIZE"] != "1m" {
		t.Errorf("changed to %v", first)
	}
	if _, stays := second["KONG_MEM_CACHE_SIZE"]; stays || second["KONG_LOG_LEVEL"] != "debug" {
		t.Errorf("changed back to %v", second)
	}
	if second["KONG_CLUSTER_CONTROL_PLANE"] != "toxiproxy:dp-1>cp" {
		t.Errorf("it lost its edge: %v", second)
	}
}

// TestProxyTLS: such a node has a port more, at which it speaks TLS.
func TestProxyTLS(t *testing.T) {
	t.Parallel()
	c, _ := becoming(t)
	for want, n := range map[string]topology.Node{
		"0.0.0.0:proxy":                        {Name: "dp-1", Role: topology.DataPlane},
		"0.0.0.0:proxy, 0.0.0.0:proxy-tls ssl": {Name: "dp-1", Role: topology.DataPlane, ProxyTLS: true},
	} {
		if got := c.gatewayEnv(place{name: "dp-1"}, n)["KONG_PROXY_LISTEN"]; got != want {
			t.Errorf("listens on %q, want %q", got, want)
		}
		if reserved := slices.Contains(gatewayPorts(n), portProxyTLS); reserved != n.ProxyTLS {
			t.Errorf("a port for TLS is reserved: %v, want %v", reserved, n.ProxyTLS)
		}
	}
}

// TestNodeComesBack by its own edge, which is open, and is watched once.
func TestNodeComesBack(t *testing.T) {
	t.Parallel()
	c, e := becoming(t)
	before := c.topology
	for _, next := range []topology.Topology{before.Without("dp-1"), before} {
		if err := (Become{next}).Do(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if len(e.started) != 1 || e.started[0].Env["KONG_CLUSTER_CONTROL_PLANE"] != "toxiproxy:dp-1>cp" || c.has.wasStopped("dp-1") {
		t.Errorf("started %+v", e.started)
	}
	if n := c.watched.Load(); n != 0 {
		t.Errorf("it is watched %d times more", n)
	}
}

// TestDatabaseComesBack: a control plane that comes back shares what it shared.
func TestDatabaseComesBack(t *testing.T) {
	t.Parallel()
	c, _ := becoming(t)
	c.has.setProcess("cp", engine.Process{Env: map[string]string{databasePath: "/shared/main/blackout.db"}})
	p, err := c.settings(t.Context(), topology.Node{Name: "cp", Role: topology.ControlPlane, Database: "main"})
	if err != nil || p.Env[databasePath] != "/shared/main/blackout.db" {
		t.Errorf("%q, %v", p.Env[databasePath], err)
	}
}

// TestCheckRefusesAnotherNodeOfAName: what is left of the first is not for it.
func TestCheckRefusesAnotherNodeOfAName(t *testing.T) {
	t.Parallel()
	before := steps().Topology
	without := before.Without("dp-1")
	for name, c := range map[string]struct {
		back    topology.Node
		refused bool
	}{
		"the same":     {topology.Node{Name: "dp-1", Role: topology.DataPlane}, false},
		"with a right": {topology.Node{Name: "dp-1", Role: topology.DataPlane, Import: true}, false},
		"another role": {topology.Node{Name: "dp-1", Role: topology.ControlPlane}, true},
		"with a disk":  {topology.Node{Name: "dp-1", Role: topology.DataPlane, Disk: 1 << 20}, true},
		"for TLS":      {topology.Node{Name: "dp-1", Role: topology.DataPlane, Import: true, ProxyTLS: true}, true},
		"by TLS":       {topology.Node{Name: "dp-1", Role: topology.DataPlane, Import: true, StoreTLS: true}, true},
	} {
		for _, again := range []plan.Action{ScaleOut{Nodes: []topology.Node{c.back}}, Become{without.With(c.back)}} {
			err := Check(steps(Become{without}, again), DefaultBudget)
			if refused := err != nil && strings.Contains(err.Error(), "dp-1 comes back"); refused != c.refused || err != nil && !refused {
				t.Errorf("%s: error %v, want one: %v", name, err, c.refused)
			}
		}
	}
}
