// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"blackout/harness/engine"
	"blackout/harness/fault"
	"blackout/harness/topology"
)

// counter is an engine that can count packets.
type counter struct {
	engine.Engine
	opened atomic.Int64
}

func (e *counter) Netfilter(context.Context, engine.Node) (engine.Netfilter, error) {
	e.opened.Add(1)
	return nil, nil
}

// TestPacketsAreCountedOnce, though nodes that are added side by side each have a
// fault that needs it.
func TestPacketsAreCountedOnce(t *testing.T) {
	t.Parallel()
	c, _ := recorded(t)
	e := &counter{}
	c.engine = e
	c.watchCtx, c.stopWatch = context.WithCancel(t.Context())
	c.has.addNode(stub{name: topology.Toxiproxy})
	var adding sync.WaitGroup
	for range 8 {
		adding.Go(func() {
			if err := c.countPackets(t.Context(), []fault.Spec{{Kind: fault.Exit}}); err != nil {
				t.Error(err)
			}
		})
	}
	adding.Wait()
	c.stopWatch()
	c.watchers.Wait()
	if n := e.opened.Load(); n != 1 {
		t.Errorf("the network was opened %d times", n)
	}
}

// quick are means that do what they are asked for at once.
type quick struct{ fault.Means }

func (quick) Prepare(context.Context) error             { return nil }
func (quick) Undo() []fault.Undo                        { return nil }
func (quick) Inject(context.Context) error              { return nil }
func (quick) Heal(context.Context) error                { return nil }
func (quick) Clean(context.Context) error               { return nil }
func (quick) Look(context.Context) (string, bool)       { return "", true }
func (quick) LookHealed(context.Context) (string, bool) { return "", true }

// TestTouchedWhileFaultsComeAndGo: nodes that are added side by side look at each
// other's faults.
func TestTouchedWhileFaultsComeAndGo(t *testing.T) {
	t.Parallel()
	c, _ := recorded(t)
	f := fault.New(fault.Spec{Kind: fault.Pause, Node: "cp"}, quick{}, nil)
	c.faults = []numbered{{f, 1}}
	ctx, stop := context.WithCancel(t.Context())
	var looking sync.WaitGroup
	looks := make(chan map[string]bool)
	looking.Go(func() {
		for ctx.Err() == nil {
			touched := c.touched(true)
			select {
			case looks <- touched:
			default:
			}
		}
	})
	<-looks
	for _, do := range []func(context.Context) error{
		f.Prepare, f.Inject,
		func(ctx context.Context) error { _, err := f.Witness(ctx); return err },
	} {
		if err := do(ctx); err != nil {
			t.Error(err)
		}
	}
	<-looks // it may have begun before
	if touched := <-looks; !touched["cp"] {
		t.Errorf("touched %v while the fault is in force", touched)
	}
	if err := f.Heal(ctx); err != nil {
		t.Error(err)
	}
	stop()
	looking.Wait()
	if touched := c.touched(true); touched["cp"] {
		t.Errorf("touched %v after healing", touched)
	}
}

// TestUntouchedIsNotAboutToBeHit: what a witness compares with has no fault of the
// same step either.
func TestUntouchedIsNotAboutToBeHit(t *testing.T) {
	t.Parallel()
	c, _ := recorded(t)
	c.topology = c.topology.With(topology.Node{Name: "dp-1", Role: topology.DataPlane}, topology.Node{Name: "dp-2", Role: topology.DataPlane})
	for _, n := range c.topology.Nodes {
		c.has.addNode(stub{name: n.Name})
	}
	pause, kill := fault.Spec{Kind: fault.Pause, Node: "cp"}, fault.Spec{Kind: fault.Kill, Node: "dp-1"}
	cut := fault.Spec{Kind: fault.Exit, Edge: c.topology.CPEdge("dp-2")}
	for name, step := range map[string]struct {
		faults []fault.Spec
		want   string
	}{
		"none":                     {nil, "cp"},
		"the first node":           {[]fault.Spec{pause, kill}, "dp-2"},
		"a link of the only other": {[]fault.Spec{pause, kill, cut}, "dp-2"},
		"all others":               {[]fault.Spec{pause, kill, {Kind: fault.Kill, Node: "dp-2"}}, ""},
	} {
		done := c.intend(step.faults)
		node, err := c.untouchedNode("dp-1")
		if got := ""; err == nil {
			if got = node.Name(); got != step.want {
				t.Errorf("%s: untouched is %s, want %s", name, got, step.want)
			}
		} else if step.want != "" {
			t.Errorf("%s: %v", name, err)
		}
		done()
	}
	if len(c.intended) != 0 {
		t.Errorf("still intended: %v", c.intended)
	}
}
