// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"fmt"
	"time"
)

// added is by how much a probe must be late: every round trip is late by Delay in
// each direction that the fault acts on, and half of that leaves room for the
// machine.
func (l *link) added() time.Duration {
	return l.spec.Delay * time.Duration(len(l.spec.ways())) / 2
}

// usual is what a kind compares of the times of probes: under Latency every one is
// late, under Jitter they are on the whole.
func (l *link) usual(g glance) time.Duration {
	if l.spec.Kind == Jitter {
		return g.mean()
	}
	return g.fastest()
}

// seenDelay: probes take longer than before, and than those that go another way.
// Under Jitter they do not all take the same time.
func (l *link) seenDelay(g glance) (string, bool) {
	if g.err != nil {
		return fmt.Sprintf("a probe through %s %s (%v)", l.spec.Edge, endingOf(g.err), g.err), false
	}
	before, now := l.usual(l.before), l.usual(g)
	seen := fmt.Sprintf("a probe through %s takes %s, before the fault %s, through an untouched edge %s; %d of them lie %s apart",
		l.spec.Edge, shown(now), shown(before), shown(g.control), len(g.took), shown(g.spread()))
	if !l.between(g) {
		return seen + "; nothing stands between", false
	}
	return seen, now >= before+l.added() && now >= g.control+l.added() && g.spread() >= l.spec.Jitter/2
}

// between says whether the meters behind the fault met the connections that came:
// chance alone also slows a probe down.
func (l *link) between(g glance) bool {
	return g.moved.flow(l.busiest()).Behind == g.moved.Connections
}

func shown(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// seenNoDelay: probes are about as fast as before.
func (l *link) seenNoDelay(g glance) (string, bool) {
	before, now := l.usual(l.before), l.usual(g)
	return fmt.Sprintf("a probe through %s takes %s, before the fault %s", l.spec.Edge, shown(now), shown(before)), now < before+l.added()
}

// paceSlack is how much faster than Rate a witness may see bytes pass: it counts
// whole pieces.
const paceSlack = 1.3

// busiest is the direction, of those that the fault acts on, in which probes move
// most bytes.
func (l *link) busiest() string {
	ways := l.spec.ways()
	most := ways[0]
	for _, way := range ways {
		if l.before.moved.flow(way).Offered.Bytes > l.before.moved.flow(most).Offered.Bytes {
			most = way
		}
	}
	return most
}

// rate is in bytes a second.
func byteRate(bytes int64, took time.Duration) float64 { return float64(bytes) / took.Seconds() }

// seenPace: bytes pass no faster than they may, and passed faster before.
func (l *link) seenPace(g glance) (string, bool) {
	way := l.busiest()
	flow, most := g.moved.flow(way), paceSlack*float64(l.spec.Rate)
	before, now := byteRate(l.before.moved.flow(way).Offered.Bytes, l.before.mean()), byteRate(flow.Passed.Bytes, g.mean())
	seen := fmt.Sprintf("a probe through %s moves %.0f bytes a second %s, before the fault %.0f", l.spec.Edge, now, way, before)
	switch {
	case g.err != nil:
		return fmt.Sprintf("a probe through %s %s (%v)", l.spec.Edge, endingOf(g.err), g.err), false
	case !l.between(g) || flow.Passed.Bytes == 0:
		return seen + "; nothing stands between", false
	}
	return seen, now <= most && before > most && g.mean() > g.control
}

// seenNoPace: bytes pass faster than the fault allowed.
func (l *link) seenNoPace(g glance) (string, bool) {
	now := byteRate(g.moved.flow(l.busiest()).Offered.Bytes, g.mean())
	return fmt.Sprintf("a probe through %s moves %.0f bytes a second", l.spec.Edge, now), now > paceSlack*float64(l.spec.Rate)
}

// slicing is the means of Slicing. Only a meter behind the edge's end can see that
// it is healed.
type slicing struct{ *link }

// seenSlices: what passes is in smaller pieces than what is offered.
func (l *link) seenSlices(g glance) (string, bool) {
	flow := g.moved.flow(l.busiest())
	seen := fmt.Sprintf("%d bytes came to %s in pieces of %.0f and left it in pieces of %.0f",
		flow.Offered.Bytes, l.spec.Edge, flow.Offered.mean(), flow.Passed.mean())
	if g.err != nil {
		return fmt.Sprintf("a probe through %s %s (%v)", l.spec.Edge, endingOf(g.err), g.err), false
	}
	size := float64(l.spec.Bytes)
	return seen, flow.Passed.Bytes > 0 && flow.Passed.mean() <= size && flow.Offered.mean() > size
}

// Prepare implements [Means].
func (s *slicing) Prepare(ctx context.Context) error {
	if err := s.link.Prepare(ctx); err != nil {
		return err
	}
	if mean := s.before.moved.flow(s.busiest()).Offered.mean(); mean <= float64(s.spec.Bytes) {
		return fmt.Errorf("%w: probes through %s come in pieces of %.0f bytes anyway", ErrNotWitnessed, s.spec.Edge, mean)
	}
	return nil
}

// LookHealed implements [Means]. It puts the meter back while it looks.
func (s *slicing) LookHealed(ctx context.Context) (seen string, ok bool) {
	p, err := s.edges.find(s.spec.Edge)
	if err != nil {
		return err.Error(), false
	}
	way := s.busiest()
	behind := meterOf(s.spec.Edge, passed, way)
	if err := s.edges.server.add(ctx, p.Name, behind); err != nil {
		return err.Error(), false
	}
	defer func() {
		if err := s.edges.server.remove(context.WithoutCancel(ctx), p.Name, behind.Name); err != nil {
			seen, ok = err.Error(), false
		}
	}()
	g, err := s.lookAlone(ctx)
	if err != nil {
		return err.Error(), false
	}
	if g.err != nil {
		return fmt.Sprintf("a probe through %s still fails: %v", s.spec.Edge, g.err), false
	}
	mean := g.moved.flow(way).Passed.mean()
	return fmt.Sprintf("bytes leave %s in pieces of %.0f", s.spec.Edge, mean), mean > float64(s.spec.Bytes)
}
