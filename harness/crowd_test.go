// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"blackout/harness/engine"
	"blackout/harness/topology"
)

// gate is an engine that starts nothing and notes how many sites there were when it was
// first asked to.
type gate struct {
	engine.Engine

	mu                sync.Mutex
	sites, at, starts int
}

func (g *gate) Reserve(_ context.Context, name string, _ engine.Program, _ ...string) (engine.Site, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sites++
	return place{name: name}, nil
}

func (g *gate) Start(context.Context, engine.Site, engine.Process) (engine.Node, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.starts++; g.starts == 1 {
		g.at = g.sites
	}
	return nil, errors.New("closed")
}

// TestCrowdIsPreparedFirst: no node of a crowd starts before all are prepared.
func TestCrowdIsPreparedFirst(t *testing.T) {
	t.Parallel()
	for _, n := range []int{crowd, 2 * crowd} {
		c, _ := recorded(t)
		e := &gate{}
		c.engine, c.programs = e, map[string]engine.Program{"gateway": {}}
		nodes := make([]topology.Node, n)
		for i := range nodes {
			nodes[i] = topology.Node{Name: fmt.Sprintf("cp-%d", i), Role: topology.ControlPlane}
		}
		err := c.addNodes(t.Context(), nodes, nil)
		if err == nil || !strings.Contains(err.Error(), "closed") || e.starts == 0 {
			t.Fatalf("%d nodes: %d starts, error %v", n, e.starts, err)
		}
		if e.at != n {
			t.Errorf("the first of %d nodes started when %d were prepared", n, e.at)
		}
	}
}

// TestNoNodesAreNoTrouble: a topology may become a smaller one.
func TestNoNodesAreNoTrouble(t *testing.T) {
	t.Parallel()
	c, _ := recorded(t)
	if err := c.addNodes(t.Context(), nil, nil); err != nil {
		t.Error(err)
	}
}
