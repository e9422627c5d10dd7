// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"blackout/harness/engine"
	"blackout/harness/history"
	"blackout/harness/plan"
	"blackout/harness/topology"
	"blackout/harness/traffic"
)

// usualStreams are what a data plane is probed with unless a plan says otherwise:
// one stream on kept-alive connections and one on fresh ones, because a hung
// worker and a closed listener fail them differently. Two at 50 a second,
// staggered, find every outage longer than 10 ms.
var usualStreams = []history.Stream{
	{Name: "keep-alive", Interval: 20 * time.Millisecond, Timeout: 2 * time.Second},
	{Name: "fresh", Interval: 20 * time.Millisecond, Timeout: 2 * time.Second, Fresh: true},
}

// Streams are the streams of probes that a plan will start, in the order of its
// steps. Traffic to a node that is stopped and started again is another stream.
func Streams(p plan.Plan) []history.Stream {
	var streams []history.Stream
	for _, step := range p.Steps {
		streams = append(streams, streamsOf(step)...)
	}
	return streams
}

// streamsOf are the streams that a step starts.
func streamsOf(step plan.Step) []history.Stream {
	begin, ok := step.Action.(StartTraffic)
	if !ok {
		return nil
	}
	var streams []history.Stream
	for _, node := range begin.Nodes {
		streams = append(streams, begin.to(node)...)
	}
	return streams
}

// streamsTo are the streams to a node that the step in progress starts, by their
// index in the recording's header.
func (c *Cluster) streamsTo(node string) map[uint16]history.Stream {
	streams := make(map[uint16]history.Stream)
	index := uint16(0)
	for _, step := range c.plan.Steps {
		for _, s := range streamsOf(step) {
			if step.Number == c.step && s.Node == node {
				streams[index] = s
			}
			index++
		}
	}
	return streams
}

// Nodes are all gateway nodes of a plan, also those that its steps add.
func Nodes(p plan.Plan) []history.Node {
	all := p.Topology.Nodes
	for _, step := range p.Steps {
		switch a := step.Action.(type) {
		case ScaleOut:
			all = append(all[:len(all):len(all)], a.Nodes...)
		case Become:
			for _, n := range a.Topology.Nodes {
				if !slices.ContainsFunc(all, func(o topology.Node) bool { return o.Name == n.Name }) {
					all = append(all[:len(all):len(all)], n)
				}
			}
		}
	}
	nodes := make([]history.Node, len(all))
	for i, n := range all {
		nodes[i] = history.Node{
			Name: n.Name, Role: string(n.Role), Import: n.Import, Export: n.Export,
			ControlPlane: n.ControlPlane, Store: n.Store, Version: version, Encryption: n.Encryption, Plugins: n.Parameters["plugins"],
		}
	}
	return nodes
}

// StartTraffic begins to probe data planes.
type StartTraffic struct {
	Nodes []string `json:"nodes"`
	Rate  int      `json:"rate,omitempty"` // requests a second of each stream, if it is to be another

	// Streams are what each node is probed with; none means one stream on
	// kept-alive and one on fresh connections. Of a stream's fields the node is
	// left empty and the number of workers may be, for as many as it takes.
	Streams []history.Stream `json:"streams,omitempty"`
}

// to are the action's streams to a node.
func (a StartTraffic) to(node string) []history.Stream {
	streams := slices.Clone(a.Streams)
	if len(streams) == 0 {
		streams = slices.Clone(usualStreams)
	}
	for i := range streams {
		s := &streams[i]
		s.Node, s.Name = node, node+" "+s.Name
		if a.Rate > 0 {
			s.Interval = time.Second / time.Duration(a.Rate)
		}
		s.Protocol = cmp.Or(s.Protocol, traffic.HTTP1)
		s.Workers = cmp.Or(s.Workers, traffic.Workers(*s))
	}
	return streams
}

// Name implements plan.Action.
func (StartTraffic) Name() string { return "start-traffic" }

// Title implements plan.Action.
func (a StartTraffic) Title() string {
	title := "start traffic to " + abridged(a.Nodes)
	if a.Rate > 0 {
		title += fmt.Sprintf(", %d requests a second on each stream", a.Rate)
	}
	return title
}

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
		load := traffic.Load{Target: target, Streams: c.streamsTo(node), ClosedLoop: c.control == ClosedLoop}
		prober, err := traffic.Start(ctx, c.rec, load)
		if err != nil {
			return fmt.Errorf("start traffic to %s: %w", node, err)
		}
		c.probers = append(c.probers, prober)
		c.sampler.Add(prober)
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
	for _, p := range c.probers {
		p.Stop()
	}
	c.probers = nil
}
