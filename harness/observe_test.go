// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"blackout/harness/engine"
	"blackout/harness/history"
)

// contained is a node as an engine of containers has it: another one, with a log of
// its own, for each start at its site.
type contained struct {
	name, wrote string
	ended       bool
}

// oneByOne is an engine that starts these nodes, one after the other.
type oneByOne struct {
	engine.Engine
	nodes []engine.Node
}

func (e *oneByOne) Start(context.Context, engine.Site, engine.Process) (engine.Node, error) {
	node := e.nodes[0]
	e.nodes = e.nodes[1:]
	return node, nil
}

// containedNode is a contained node's engine.Node.
type containedNode struct {
	engine.Node
	*contained
}

func (n containedNode) Endpoint(context.Context, string) (string, error) {
	return "", engine.ErrEnded // nobody answers there
}
func (n containedNode) Name() string                              { return n.name }
func (n containedNode) Stop(context.Context, time.Duration) error { return nil }
func (n containedNode) State(context.Context) (engine.State, error) {
	return engine.State{Running: !n.ended}, nil
}
func (n containedNode) Log(context.Context) (io.ReadCloser, error) {
	if n.wrote == "" {
		return nil, errors.New("no log")
	}
	return io.NopCloser(strings.NewReader(n.wrote + "\n")), nil
}
func (n containedNode) Follow(ctx context.Context, each func(string)) error {
	each(n.wrote)
	<-ctx.Done()
	return nil
}
func (n containedNode) Listening(context.Context) ([]netip.AddrPort, error) {
	return []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:" + n.wrote)}, nil
}

// watching is a cluster that observes the nodes that are started.
func watching(t *testing.T, nodes ...engine.Node) (*Cluster, func() []history.Event) {
	t.Helper()
	c, events := recorded(t)
	c.engine, c.looks = &oneByOne{nodes: nodes}, make(map[string]*looks)
	c.watchCtx, c.stopWatch = context.WithCancel(context.WithoutCancel(t.Context()))
	return c, func() []history.Event {
		c.stopWatch()
		c.watchers.Wait()
		return events()
	}
}

func textsOf(events []history.Event, kind history.Kind) (texts []string) {
	for _, e := range events {
		if e.Kind == kind {
			texts = append(texts, e.Text)
		}
	}
	return texts
}

// TestEveryLifeIsObserved, whether an engine runs it as another node or as the same
// once more, and nothing of it twice.
func TestEveryLifeIsObserved(t *testing.T) {
	t.Parallel()
	first, second := &contained{name: "dp-1", wrote: "8001"}, &contained{name: "dp-1", wrote: "8002"}
	for name, c := range map[string]struct {
		starts []engine.Node
		lines  []string
	}{
		"another node":  {[]engine.Node{containedNode{nil, first}, containedNode{nil, second}}, []string{"8001", "8002"}},
		"the same node": {[]engine.Node{containedNode{nil, first}, containedNode{nil, first}}, []string{"8001"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster, events := watching(t, c.starts...)
				for range c.starts {
					if err := cluster.startGateway(t.Context(), "dp-1", engine.Process{}); err != nil {
						t.Fatal(err)
					}
					<-time.After(3 * listenInterval) // of the bubble's clock
					synctest.Wait()
				}
				got := events()
				if lines := textsOf(got, history.NodeLog); !slices.Equal(lines, c.lines) {
					t.Errorf("lines %v, want %v", lines, c.lines)
				}
				if states := textsOf(got, history.NodeState); len(states) != len(c.lines) {
					t.Errorf("states %v, want one of each of %d nodes", states, len(c.lines))
				}
				var listens []string
				for _, line := range c.lines {
					listens = append(listens, "tcp 127.0.0.1:"+line)
				}
				if addresses := textsOf(got, history.NodeListens); !slices.Equal(addresses, listens) {
					t.Errorf("addresses %v, want %v", addresses, listens)
				}
			})
		})
	}
}

// TestReplacedNodeIsNotLookedAt: its end is no state of the one in its place.
func TestReplacedNodeIsNotLookedAt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := &contained{name: "dp-1", wrote: "8001"}
		c, events := watching(t, containedNode{nil, first}, containedNode{nil, &contained{name: "dp-1", wrote: "8002"}})
		for range 2 {
			if err := c.startGateway(t.Context(), "dp-1", engine.Process{}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		first.ended = true
		<-time.After(2 * stateInterval)
		if states := textsOf(events(), history.NodeState); !slices.Equal(states, []string{"running", "running"}) {
			t.Errorf("states %v", states)
		}
	})
}

// TestLogsOfAllLives: what an earlier container wrote is evidence too.
func TestLogsOfAllLives(t *testing.T) {
	t.Parallel()
	c, _ := recorded(t)
	for _, wrote := range []string{"first", "", "last"} {
		c.has.addNode(containedNode{nil, &contained{name: "dp-1", wrote: wrote}})
	}
	var text []byte
	err := c.Logs(t.Context(), func(_ string, log io.Reader) (err error) {
		text, err = io.ReadAll(log)
		return err
	})
	if string(text) != "first\nlast\n" || err == nil || !strings.Contains(err.Error(), "log of dp-1: no log") {
		t.Errorf("logs %q, %v", text, err)
	}
}
