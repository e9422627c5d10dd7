// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"slices"
	"strings"
	"time"

	"blackout/harness/history"
)

// blindModes are the fault modes under which no attempt reaches the edge's proxy,
// so that its meter can't tell silence from no attempts.
var blindModes = []string{"exit", "drop", "flapping"}

// toxicModes are the fault modes that are done by a toxic behind which stands a
// second meter.
var toxicModes = []string{"reset", "truncate", "blackhole", "asymmetric", "latency", "jitter", "bandwidth", "slicing"}

// connections counts the connection attempts per edge, by name of the edge.
func (r recorded) connections(faults []Fault) []ConnectionCount {
	byEdge := map[string][]*history.Event{}
	for i := range r.events {
		switch e := &r.events[i]; e.Kind {
		case history.EdgeConnect, history.EdgeBytes, history.FaultInject:
			if e.Edge != "" {
				byEdge[e.Edge] = append(byEdge[e.Edge], e)
			}
		}
	}
	edges := make([]string, 0, len(byEdge))
	for edge := range byEdge {
		edges = append(edges, edge)
	}
	slices.Sort(edges)
	rows := make([]ConnectionCount, 0, len(edges))
	for _, edge := range edges {
		row := countConnections(edge, byEdge[edge])
		row.countFaulted(byEdge[edge], faults, r.end)
		if !row.secondMeter(faults) {
			row.Passed = nil
		}
		rows = append(rows, row)
	}
	return rows
}

// countConnections counts one edge's attempts and bytes. Only an edge with a
// meter can have had none.
func countConnections(edge string, events []*history.Event) ConnectionCount {
	row := ConnectionCount{Edge: edge}
	var attempts []history.Time
	metered := false
	for _, e := range events {
		switch e.Kind {
		case history.EdgeConnect:
			metered = true
			if own(e) {
				attempts = append(attempts, e.At)
			}
		case history.EdgeBytes:
			row.Offered, row.Passed, metered = &e.Offered, &e.Passed, true
		}
	}
	if !metered {
		return row
	}
	count := len(attempts)
	row.Attempts = &count
	if count > 1 {
		row.MinGap, row.MedianGap = gaps(attempts)
	}
	return row
}

// own says whether an attempt was the edge's own node's, and not a probe of the
// harness that witnessed a fault.
func own(e *history.Event) bool { return e.Node == "" || strings.HasPrefix(e.Edge, e.Node+">") }

// gaps returns the smallest and the median time between successive attempts,
// of which there are at least two.
func gaps(attempts []history.Time) (smallest, median *time.Duration) {
	between := make([]time.Duration, 0, len(attempts)-1)
	for i, at := range attempts[1:] {
		between = append(between, at.Sub(attempts[i]))
	}
	slices.Sort(between)
	middle := quantile(between, 50)
	return &between[0], &middle
}

// secondMeter reports whether a second meter is known to have stood behind a
// fault of the edge. Without one the recording's count is zero for want of a
// meter. A fault that nobody saw in force may be none, and then has no meter,
// unless the meter itself shows that it was there.
func (c *ConnectionCount) secondMeter(faults []Fault) bool {
	return c.Passed != nil && slices.ContainsFunc(faults, func(f Fault) bool {
		return f.Edge == c.Edge && f.Active && slices.Contains(toxicModes, f.Mode) && (f.Witnessed || *c.Passed > 0)
	})
}

// countFaulted counts the attempts made while a fault was in force on the
// edge, taking the fault's edges at their narrowest.
func (c *ConnectionCount) countFaulted(events []*history.Event, faults []Fault, end history.Time) {
	count, faulted, blind := 0, false, false
	for _, f := range faults {
		if f.Edge != c.Edge || !f.Active {
			continue
		}
		faulted = true
		blind = blind || slices.Contains(blindModes, f.Mode)
		until := end
		if f.End != nil {
			until = f.End.From
		}
		for _, e := range events {
			if e.Kind == history.EdgeConnect && own(e) && e.At >= f.Start.To && e.At <= until {
				count++
			}
		}
	}
	if !faulted || c.Attempts == nil || blind && count == 0 {
		return
	}
	c.Faulted = &count
}
