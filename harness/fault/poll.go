// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"net/http/httptrace"
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
// An edge's attempt is its node's, unless a probe of the harness dialled it.
func (l *Edges) Poll(ctx context.Context) {
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
	links *Edges
	last  int64 // the meters' clock at the last poll
	clock clock
	bytes map[topology.Edge]Reading
}

func (p *poller) poll(ctx context.Context) error {
	sent := p.links.rec.Now()
	s, err := p.links.snapshot(ctx, p.last)
	if err != nil {
		return err
	}
	p.clock.adjust(sent, p.links.rec.Now(), s.Now)
	for _, edge := range p.links.edges() {
		p.record(edge, s)
	}
	p.last = s.Now
	return nil
}

// clock maps the meters' clock to the run's. Both are monotonic, so one offset
// serves for all edges and polls; every poll narrows down where it lies, and a
// slow one moves nothing. Attempts so keep their order and distances.
type clock struct {
	earliest, latest history.Time // between these the run's clock showed 0 of the meters'
	set              bool
}

// adjust takes in that the meters' clock showed now at a moment between sent and
// received.
func (c *clock) adjust(sent, received history.Time, now int64) {
	earliest, latest := sent-history.Time(now), received-history.Time(now)
	if !c.set || earliest > c.latest || latest < c.earliest {
		*c = clock{earliest, latest, true} // the first poll, or the clocks have drifted apart
		return
	}
	c.earliest, c.latest = max(c.earliest, earliest), min(c.latest, latest)
}

// margin is the greatest error of onRun.
func (c *clock) margin() history.Time { return (c.latest - c.earliest + 1) / 2 }

// onRun is a moment of the meters' clock on the run's.
func (c *clock) onRun(ns int64) history.Time {
	return c.earliest + (c.latest-c.earliest)/2 + history.Time(ns)
}

func (p *poller) record(edge topology.Edge, s meter.Snapshot) {
	for _, opened := range s.Meters[meterID(edge, offered, "upstream")].Opened {
		at := p.clock.onRun(opened)
		p.links.rec.Event(history.Event{At: at, Kind: history.EdgeConnect, Edge: edge.String(), Node: p.links.attribute(edge, at, p.clock.margin())})
	}
	now := reading(s, edge)
	before := p.bytes[edge]
	if now.Offered() != before.Offered() || now.Passed() != before.Passed() {
		p.links.rec.Event(history.Event{At: p.clock.onRun(s.Now), Kind: history.EdgeBytes, Edge: edge.String(), Offered: now.Offered(), Passed: now.Passed()})
	}
	lost := now.Connections - before.Connections - len(s.Meters[meterID(edge, offered, "upstream")].Opened)
	if lost > 0 {
		p.links.rec.Event(history.Event{Kind: history.HarnessError, Edge: edge.String(), Error: errLost.Error()})
	}
	p.bytes[edge] = now
}

var errLost = errors.New("more connections than the meter remembers opening times of: attempts are missing from the recording")

// probing is a span in which the harness itself used an edge.
type probing struct {
	to    history.Time   // its end; 0 while it lasts
	dials []history.Time // when those connections of its own began that no attempt was taken for yet
}

// claims is the index of the dial that an attempt at a moment may have come of, or -1. A
// node's attempts beside them stay its.
func (p *probing) claims(at, slack history.Time) int {
	if p.to != 0 && at > p.to+slack {
		return -1
	}
	return slices.IndexFunc(p.dials, func(began history.Time) bool { return at >= began-slack })
}

// endsBefore says whether a probing ends before another: one that lasts ends last.
func (p *probing) endsBefore(other *probing) bool {
	return p.to != 0 && (other.to == 0 || p.to < other.to)
}

// clockSlack is how far apart a connection and the span of the probe that made
// it may be seen to lie, beside the margin of the meters' clock.
const clockSlack = history.Time(5 * time.Millisecond)

// Probe runs a probe of the harness through an edge, so that the connections that
// it dials with its context are not taken for the node's.
func (l *Edges) Probe(ctx context.Context, edge topology.Edge, probe func(context.Context) error) error {
	p := new(probing)
	l.mu.Lock()
	l.probes[edge] = append(l.probes[edge], p)
	l.mu.Unlock()

	err := probe(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		ConnectStart: func(string, string) {
			l.mu.Lock()
			defer l.mu.Unlock()
			p.dials = append(p.dials, l.rec.Now())
		},
		ConnectDone: func(_, _ string, err error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			if err != nil && len(p.dials) > 0 {
				p.dials = p.dials[1:] // nothing arrived
			}
		},
	}))

	l.mu.Lock()
	defer l.mu.Unlock()
	p.to = l.rec.Now()
	return err
}

// Attempts is how many connection attempts of its own node an edge has seen, as
// of the last poll.
func (l *Edges) Attempts(edge topology.Edge) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.attempts[edge]
}

// attribute says whose the connection attempt at a moment, known up to margin,
// was, and counts it.
func (l *Edges) attribute(edge topology.Edge, at, margin history.Time) string {
	slack := clockSlack + margin
	l.mu.Lock()
	defer l.mu.Unlock()
	// Of probes side by side the one that ends first takes it: later attempts cannot be its.
	var by *probing
	var dial int
	for _, p := range l.probes[edge] {
		if i := p.claims(at, slack); i >= 0 && (by == nil || p.endsBefore(by)) {
			by, dial = p, i
		}
	}
	if by != nil {
		by.dials = slices.Delete(by.dials, dial, dial+1)
		return topology.Witness
	}
	l.attempts[edge]++
	return edge.From
}
