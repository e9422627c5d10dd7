// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	"slices"
	"sync"

	"blackout/harness/history"
	"blackout/harness/topology"
	"blackout/internal/meter"
)

// Edges are the edges of a run, each a proxy of one Toxiproxy server.
type Edges struct {
	server server
	token  string // of this run's proxies
	rec    *history.Writer
	timing chan struct{} // holds the turn of whoever measures how long a probe takes

	mu       sync.Mutex
	proxies  map[topology.Edge]proxy
	probes   map[topology.Edge][]*probing
	attempts map[topology.Edge]int
	moments  int // named so far
}

// NewEdges drives the Toxiproxy whose API is at address, "host:port", and
// records into rec.
func NewEdges(address string, rec *history.Writer) *Edges {
	return &Edges{
		server:   newServer(address),
		token:    rand.Text()[:8],
		rec:      rec,
		timing:   make(chan struct{}, 1),
		proxies:  make(map[topology.Edge]proxy),
		probes:   make(map[topology.Edge][]*probing),
		attempts: make(map[topology.Edge]int),
	}
}

// proxyName is what Toxiproxy calls an edge. No two runs give the same name, so that
// an undo of a dead run does not touch the edge of another one whose Toxiproxy has
// come to the same address.
func (l *Edges) proxyName(edge topology.Edge) string { return edge.String() + "@" + l.token }

// Open makes an edge that listens on one address and dials another, with a
// meter in each direction. No connection passes it before its meters count.
func (l *Edges) Open(ctx context.Context, edge topology.Edge, listen, upstream string) error {
	p, err := l.server.create(ctx, proxy{Name: l.proxyName(edge), Listen: listen, Upstream: upstream})
	if err != nil {
		return fmt.Errorf("open edge %s: %w", edge, err)
	}
	for _, direction := range directions {
		if err := l.server.add(ctx, p.Name, meterOf(edge, offered, direction)); err != nil {
			return fmt.Errorf("open edge %s: %w", edge, err)
		}
	}
	if err := l.server.enable(ctx, p.Name, true); err != nil {
		return fmt.Errorf("open edge %s: %w", edge, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.proxies[edge] = p
	return nil
}

// find is the proxy of an open edge.
func (l *Edges) find(edge topology.Edge) (proxy, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, ok := l.proxies[edge]
	if !ok {
		return proxy{}, fmt.Errorf("edge %s was never opened", edge)
	}
	return p, nil
}

// edges are the open edges in a fixed order.
func (l *Edges) edges() []topology.Edge {
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

// moment names a moment that has not come yet.
func (l *Edges) moment(edge topology.Edge) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.moments++
	return fmt.Sprintf("%s %d", edge, l.moments)
}

var directions = []string{Upstream, Downstream}

// The places of the two meters of a direction.
const (
	offered = "offered" // before the fault: what arrives at the edge
	passed  = "passed"  // behind it: what came through
)

func meterID(edge topology.Edge, place, direction string) string {
	return edge.String() + "/" + place + "/" + direction
}

func meterOf(edge topology.Edge, place, direction string) toxin {
	return toxin{
		Name: place + "-" + direction, Type: meter.Type, Stream: direction,
		Attributes: map[string]any{"id": meterID(edge, place, direction)},
	}
}

// Reading is what the meters of an edge have counted so far.
type Reading struct {
	Connections int  // attempts that reached the edge
	Up, Down    Flow // what the one that dials sends, and what it is sent
}

// Flow is one direction of an edge.
type Flow struct {
	Offered Tally // what arrived at the edge
	Passed  Tally // what came through the fault, counted only while one is in force
	Behind  int   // connections that the meter behind the fault has met
}

// Tally is a number of bytes and the number of pieces in which they came.
type Tally struct{ Bytes, Chunks int64 }

// sub is what was counted since before.
func (t Tally) sub(before Tally) Tally {
	return Tally{t.Bytes - before.Bytes, t.Chunks - before.Chunks}
}

// mean is the mean size of a chunk in bytes, 0 if there was none.
func (t Tally) mean() float64 {
	if t.Chunks == 0 {
		return 0
	}
	return float64(t.Bytes) / float64(t.Chunks)
}

// sub is what was counted since before.
func (f Flow) sub(before Flow) Flow {
	return Flow{f.Offered.sub(before.Offered), f.Passed.sub(before.Passed), f.Behind - before.Behind}
}

// sub is what was counted since before.
func (r Reading) sub(before Reading) Reading {
	return Reading{r.Connections - before.Connections, r.Up.sub(before.Up), r.Down.sub(before.Down)}
}

// Offered is the number of bytes that arrived at the edge, both directions.
func (r Reading) Offered() int64 { return r.Up.Offered.Bytes + r.Down.Offered.Bytes }

// Passed is the number of bytes that came through faults, both directions.
func (r Reading) Passed() int64 { return r.Up.Passed.Bytes + r.Down.Passed.Bytes }

// flow is one direction.
func (r Reading) flow(direction string) Flow {
	if direction == Upstream {
		return r.Up
	}
	return r.Down
}

// Read reads an edge's meters.
func (l *Edges) Read(ctx context.Context, edge topology.Edge) (Reading, error) {
	s, err := l.snapshot(ctx, math.MaxInt64)
	if err != nil {
		return Reading{}, err
	}
	return reading(s, edge), nil
}

func reading(s meter.Snapshot, edge topology.Edge) Reading {
	flow := func(direction string) Flow {
		before, behind := s.Meters[meterID(edge, offered, direction)], s.Meters[meterID(edge, passed, direction)]
		return Flow{
			Offered: Tally{int64(before.Bytes), int64(before.Chunks)},
			Passed:  Tally{int64(behind.Bytes), int64(behind.Chunks)},
			Behind:  int(behind.Connections),
		}
	}
	connections := s.Meters[meterID(edge, offered, Upstream)].Connections
	return Reading{Connections: int(connections), Up: flow(Upstream), Down: flow(Downstream)}
}

// snapshot reads all meters, with the connections opened after the given moment
// of the meters' clock.
func (l *Edges) snapshot(ctx context.Context, after int64) (meter.Snapshot, error) {
	s, err := l.server.meters(ctx, after)
	if err != nil {
		return s, fmt.Errorf("read meters: %w", err)
	}
	return s, nil
}
