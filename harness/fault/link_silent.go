// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"fmt"
	"strings"
)

// fails says how the probe through the edge ended, and whether that is one of the
// ways wanted.
func (l *link) fails(g glance, want ...ending) (string, bool) {
	if g.err == nil {
		return fmt.Sprintf("a probe through %s still works", l.spec.Edge), false
	}
	seen := fmt.Sprintf("a probe through %s %s (%v), one through an untouched edge works", l.spec.Edge, endingOf(g.err), g.err)
	if !l.probes.ended(g.err, want...) {
		names := make([]string, len(want))
		for i, w := range want {
			names[i] = string(w)
		}
		return fmt.Sprintf("%s; under %s it %s", seen, l.spec.Kind, strings.Join(names, " or ")), false
	}
	return seen, true
}

// seenExit: refused, and nothing reached the edge.
func (l *link) seenExit(g glance) (string, bool) {
	seen, ok := l.fails(g, probeRefused)
	moved := g.moved.Offered()
	return fmt.Sprintf("%s; %d attempts reached the edge and %d bytes moved since", seen, g.moved.Connections, moved),
		ok && g.moved.Connections == 0 && moved == 0
}

// seenReset: the connection is had and reset at its first byte.
func (l *link) seenReset(g glance) (string, bool) {
	seen, ok := l.fails(g, probeReset)
	bytes, stopped := l.stopped(g.moved, Upstream)
	return seen + "; " + bytes, ok && stopped
}

// seenBlackhole: the connection is had and nobody answers.
func (l *link) seenBlackhole(g glance) (string, bool) {
	seen, ok := l.fails(g, probeUnanswered)
	bytes, stopped := l.stopped(g.moved, Upstream)
	return seen + "; " + bytes, ok && stopped && g.moved.Down.Passed.Bytes == 0
}

// seenAsymmetric: nothing passes in one direction. That the other one is free can
// be seen where the peer is asked and its answer is lost; where it is not even
// asked, it has nothing to say.
func (l *link) seenAsymmetric(g glance) (string, bool) {
	seen, ok := l.fails(g, probeUnanswered)
	bytes, stopped := l.stopped(g.moved, l.spec.Direction)
	free := "the peer answered what it was asked"
	if l.spec.Direction == Upstream {
		free = "nothing was held back downstream"
	}
	return seen + "; " + bytes + ", " + free, ok && stopped
}

// seenTruncate: no more than the allowed bytes pass on a connection, and more were
// offered.
func (l *link) seenTruncate(g glance) (string, bool) {
	seen, ok := l.fails(g, probeHungUp, probeReset, probeFailed)
	flow := g.moved.Down
	most := l.spec.Bytes * int64(g.moved.Connections)
	cut := flow.Passed.Bytes <= most && flow.Passed.Bytes < flow.Offered.Bytes && flow.Behind == g.moved.Connections
	return fmt.Sprintf("%s; %d of %d bytes passed", seen, flow.Passed.Bytes, flow.Offered.Bytes), ok && cut
}

// stopped says whether bytes were offered in a direction and none of them passed.
// The meter behind the fault must have met every connection: one that is not
// there counts nothing either.
func (l *link) stopped(moved Reading, direction string) (string, bool) {
	flow := moved.flow(direction)
	if flow.Behind != moved.Connections {
		return fmt.Sprintf("all of %d bytes passed since: nothing stands between", flow.Offered.Bytes), false
	}
	return fmt.Sprintf("%d of %d bytes passed since", flow.Passed.Bytes, flow.Offered.Bytes),
		flow.Offered.Bytes > 0 && flow.Passed.Bytes == 0
}
