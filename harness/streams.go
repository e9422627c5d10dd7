// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"strings"
	"time"

	"blackout/harness/engine"
	"blackout/harness/history"
	"blackout/harness/plan"
	"blackout/harness/traffic"
)

// The streams of a data plane: rates and time-outs. Two streams at 50 a second,
// staggered, find every outage longer than 10 ms.
const (
	streamInterval = 20 * time.Millisecond
	streamTimeout  = 2 * time.Second
)

// Streams are the streams of probes that a plan will start, in the order of its
// steps: for each data plane one on kept-alive connections and one on fresh ones,
// because a hung worker and a closed listener fail them differently.
func Streams(p plan.Plan) []history.Stream {
	var streams []history.Stream
	for _, step := range p.Steps {
		begin, ok := step.Action.(StartTraffic)
		if !ok {
			continue
		}
		for _, node := range begin.Nodes {
			s := history.Stream{Name: node + " keep-alive", Node: node, Interval: streamInterval, Timeout: streamTimeout}
			streams = append(streams, s)
			s.Name, s.Fresh = node+" fresh", true
			streams = append(streams, s)
		}
	}
	return streams
}

// Nodes are all gateway nodes of a plan, also those that its steps add.
func Nodes(p plan.Plan) []history.Node {
	all := p.Topology.Nodes
	for _, step := range p.Steps {
		if add, ok := step.Action.(ScaleOut); ok {
			all = append(all[:len(all):len(all)], add.Node)
		}
	}
	nodes := make([]history.Node, len(all))
	for i, n := range all {
		nodes[i] = history.Node{Name: n.Name, Role: string(n.Role), Import: n.Import, Export: n.Export}
	}
	return nodes
}

// StartTraffic begins to probe data planes.
type StartTraffic struct {
	Nodes []string `json:"nodes"`
}

// Name implements plan.Action.
func (StartTraffic) Name() string { return "start-traffic" }

// Title implements plan.Action.
func (a StartTraffic) Title() string { return "start traffic to " + strings.Join(a.Nodes, ", ") }

// Do implements Action.
func (a StartTraffic) Do(ctx context.Context, c *Cluster) error {
	if c.control == NoTraffic {
		return nil
	}
	for _, node := range a.Nodes {
		target, err := c.target(ctx, node)
		if errors.Is(err, engine.ErrEnded) {
			c.progress("  no traffic to %s: %v", node, err)
			continue // its end is in the recording, for the oracles
		}
		if err != nil {
			return err
		}
		streams := make(map[uint16]history.Stream)
		for i, s := range Streams(c.plan) {
			if s.Node == node {
				streams[uint16(i)] = s
			}
		}
		c.rec.Event(history.Event{Kind: history.TrafficBegin, Node: node})
		c.probers[node] = traffic.Start(c.rec, target, streams)
	}
	return nil
}

// StopTraffic ends all probing and waits for the answers that are due.
type StopTraffic struct{}

// Name implements plan.Action.
func (StopTraffic) Name() string { return "stop-traffic" }

// Title implements plan.Action.
func (StopTraffic) Title() string { return "stop traffic" }

// Do implements Action.
func (StopTraffic) Do(_ context.Context, c *Cluster) error {
	c.stopTraffic()
	return nil
}

// stopTraffic ends all probers.
func (c *Cluster) stopTraffic() {
	for node, p := range c.probers {
		c.rec.Event(history.Event{Kind: history.TrafficEnd, Node: node})
		p.Stop(c.rec)
		delete(c.probers, node)
	}
}
