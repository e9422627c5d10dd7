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
	"testing/synctest"
	"time"

	"blackout/harness/engine"
	"blackout/harness/history"
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

// costly is an engine that starts a node when it is told to, and says how many it is
// asked to start.
type costly struct {
	engine.Engine
	asked, goOn chan struct{}
}

func (costly) StartsAtOnce() int { return 2 }

func (c costly) Start(context.Context, engine.Site, engine.Process) (engine.Node, error) {
	c.asked <- struct{}{}
	<-c.goOn
	return nil, engine.ErrEnded
}

// TestStartsWaitForTheirTurn: where a start is costly, no more than a few nodes start at
// a time, and none counts as started before its turn.
func TestStartsWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, events := recorded(t)
		e := costly{asked: make(chan struct{}, 3), goOn: make(chan struct{})}
		c.engine, c.slots = e, newSlots(e)
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				if err := c.startGateway(t.Context(), fmt.Sprintf("dp-%d", i), engine.Process{}); !errors.Is(err, engine.ErrEnded) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if len(e.asked) != 2 {
			t.Errorf("%d nodes start at once, want 2", len(e.asked))
		}
		<-time.After(time.Second) // of the bubble's clock: how long the third one waits for its turn
		e.goOn <- struct{}{}
		synctest.Wait()
		if len(e.asked) != 3 {
			t.Errorf("%d nodes were started, want 3", len(e.asked))
		}
		close(e.goOn)
		all.Wait()
		var at []history.Time
		for _, e := range events() {
			if e.Kind == history.NodeStart {
				at = append(at, e.At)
			}
		}
		if len(at) != 3 || at[2].Sub(at[1]) < time.Second {
			t.Errorf("the nodes count as started at %v, want the third of them a second later", at)
		}
	})
}

// TestNoNodesAreNoTrouble: a topology may become a smaller one.
func TestNoNodesAreNoTrouble(t *testing.T) {
	t.Parallel()
	c, _ := recorded(t)
	if err := c.addNodes(t.Context(), nil, nil); err != nil {
		t.Error(err)
	}
}
