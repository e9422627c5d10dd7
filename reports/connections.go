// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"slices"
	"time"

	"blackout/harness/history"
)

// modeExit is the fault mode that disables an edge's proxy. No attempt reaches
// a disabled proxy, so that its meter can't tell silence from no attempts.
const modeExit = "exit"

// connections counts the connection attempts per edge, by name of the edge.
func (r recorded) connections(faults []Fault) []ConnectionCount {
	byEdge := map[string][]history.Event{}
	for _, e := range r.events {
		switch e.Kind {
		case history.EdgeConnect, history.EdgeBytes, history.FaultInject:
			byEdge[e.Edge] = append(byEdge[e.Edge], e)
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
		rows = append(rows, row)
	}
	return rows
}

// countConnections counts one edge's attempts and bytes. Only an edge with a
// meter can have had none.
func countConnections(edge string, events []history.Event) ConnectionCount {
	row := ConnectionCount{Edge: edge}
	var attempts []history.Time
	metered := false
	for _, e := range events {
		switch e.Kind {
		case history.EdgeConnect:
			attempts, metered = append(attempts, e.At), true
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

// countFaulted counts the attempts made while a fault was in force on the
// edge, taking the fault's edges at their narrowest.
func (c *ConnectionCount) countFaulted(events []history.Event, faults []Fault, end history.Time) {
	count, faulted, blind := 0, false, false
	for _, f := range faults {
		if f.Edge != c.Edge || !f.Active {
			continue
		}
		faulted = true
		blind = blind || f.Mode == modeExit
		until := end
		if f.End != nil {
			until = f.End.From
		}
		for _, e := range events {
			if e.Kind == history.EdgeConnect && e.At >= f.Start.To && e.At <= until {
				count++
			}
		}
	}
	if !faulted || c.Attempts == nil || blind && count == 0 {
		return
	}
	c.Faulted = &count
}
