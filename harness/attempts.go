// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"time"

	"blackout/harness/engine"
	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/topology"
)

// packetInterval is how often attempts are counted at the packet level.
const packetInterval = 250 * time.Millisecond

// unmetered are the kinds of faults under which no attempt reaches Toxiproxy, so
// that its meters cannot count it.
var unmetered = map[fault.Kind]bool{fault.Exit: true, fault.Drop: true, fault.Flapping: true}

// countPackets begins to count the attempts on all edges by their packets, once,
// before the first fault that hides them from the meters. Where the engine cannot,
// what needs them is not measured.
func (c *Cluster) countPackets(ctx context.Context, specs []fault.Spec) error {
	needed := false
	for _, s := range specs {
		needed = needed || unmetered[s.Kind]
	}
	if !needed {
		return nil
	}
	c.starting.Lock() // nodes that are added side by side have faults of their own
	defer c.starting.Unlock()
	if c.counting {
		return nil
	}
	proxy, err := c.startedNode(topology.Toxiproxy)
	if err != nil {
		return err
	}
	filter, err := c.engine.Netfilter(ctx, proxy)
	if errors.Is(err, engine.ErrUnsupported) {
		c.counting = true // there is nothing to ask again
		return nil
	}
	if err != nil {
		return err
	}
	c.counting = true
	c.background(func(ctx context.Context) { c.followPackets(ctx, filter) })
	return nil
}

// followPackets records each edge's count when it has grown.
func (c *Cluster) followPackets(ctx context.Context, filter engine.Netfilter) {
	counts := make(map[string]int)
	every(ctx, packetInterval, func() {
		for _, edge := range c.has.openEdges() {
			n, err := filter.Attempts(ctx, edge.String())
			if err != nil {
				if ctx.Err() == nil {
					c.rec.Event(history.Event{Kind: history.HarnessError, Edge: edge.String(), Error: err.Error()})
				}
				return
			}
			if n != counts[edge.String()] {
				counts[edge.String()] = n
				c.rec.Event(history.Event{Kind: history.EdgeSYN, Edge: edge.String(), Attempts: n})
			}
		}
	})
}
