// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"slices"
	"time"

	"blackout/harness/history"
	"blackout/harness/topology"
	"blackout/internal/meter"
)

// pollInterval is how often the meters are read into the recording. Attempts
// carry the meter's own times, so it bounds only how late they are known.
const pollInterval = 100 * time.Millisecond

// Poll records connection attempts and byte counts of all edges until ctx ends.
// An edge's attempt is its node's, unless it falls into a probe of the harness.
func (l *Links) Poll(ctx context.Context) {
	p := poller{links: l, bytes: make(map[topology.Edge]Reading)}
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if err := p.poll(ctx); err != nil && ctx.Err() == nil {
			l.rec.Event(history.Event{Kind: history.HarnessError, Node: topology.Toxiproxy, Error: err.Error()})
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

type poller struct {
	links *Links
	last  int64 // the meters' clock at the last poll
	bytes map[topology.Edge]Reading
}

func (p *poller) poll(ctx context.Context) error {
	sent := p.links.rec.Now()
	s, err := p.links.snapshot(ctx, p.last)
	if err != nil {
		return err
	}
	// The meters' clock is mapped at the middle of the call; half the round trip
	// bounds the error, the same for all edges of one poll.
	middle := sent + (p.links.rec.Now()-sent)/2
	onRunClock := func(ns int64) history.Time { return middle - history.Time(s.Now-ns) }
	for _, edge := range p.links.edges() {
		p.record(edge, s, onRunClock)
	}
	p.last = s.Now
	return nil
}

func (p *poller) record(edge topology.Edge, s meter.Snapshot, onRunClock func(int64) history.Time) {
	for _, opened := range s.Meters[meterID(edge, offered, "upstream")].Opened {
		at := onRunClock(opened)
		p.links.rec.Event(history.Event{At: at, Kind: history.EdgeConnect, Edge: edge.String(), Node: p.links.attribute(edge, at)})
	}
	now := reading(s, edge)
	before := p.bytes[edge]
	if now.Offered != before.Offered || now.Passed != before.Passed {
		p.links.rec.Event(history.Event{At: onRunClock(s.Now), Kind: history.EdgeBytes, Edge: edge.String(), Offered: now.Offered, Passed: now.Passed})
	}
	lost := now.Connections - before.Connections - len(s.Meters[meterID(edge, offered, "upstream")].Opened)
	if lost > 0 {
		p.links.rec.Event(history.Event{Kind: history.HarnessError, Edge: edge.String(), Error: errLost.Error()})
	}
	p.bytes[edge] = now
}

var errLost = errors.New("more connections than the meter remembers opening times of: attempts are missing from the recording")

// edges are the open edges in a fixed order.
func (l *Links) edges() []topology.Edge {
	l.mu.Lock()
	defer l.mu.Unlock()
	edges := make([]topology.Edge, 0, len(l.proxies))
	for e := range l.proxies {
		edges = append(edges, e)
	}
	slices.SortFunc(edges, func(a, b topology.Edge) int {
		if a.String() < b.String() {
			return -1
		}
		return 1
	})
	return edges
}

// probing is a span in which the harness itself used an edge.
type probing struct{ from, to history.Time } // to is 0 while it lasts

// clockSlack covers the error of mapping the meters' clock.
const clockSlack = history.Time(5 * time.Millisecond)

// Probe runs a probe of the harness through an edge, so that its connections are
// not taken for the node's.
func (l *Links) Probe(ctx context.Context, edge topology.Edge, probe func(context.Context) error) error {
	l.mu.Lock()
	l.probes[edge] = append(l.probes[edge], probing{from: l.rec.Now()})
	i := len(l.probes[edge]) - 1
	l.mu.Unlock()

	err := probe(ctx)

	l.mu.Lock()
	defer l.mu.Unlock()
	l.probes[edge][i].to = l.rec.Now()
	return err
}

// Attempts is how many connection attempts of its own node an edge has seen, as
// of the last poll.
func (l *Links) Attempts(edge topology.Edge) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.attempts[edge]
}

// attribute says whose the connection attempt at a moment was, and counts it.
func (l *Links) attribute(edge topology.Edge, at history.Time) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.probes[edge] {
		if at >= p.from-clockSlack && (p.to == 0 || at <= p.to+clockSlack) {
			return topology.Witness
		}
	}
	l.attempts[edge]++
	return edge.From
}
