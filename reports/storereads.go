// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"time"

	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/reports/objective"
)

// StoreRead is what a data plane that may import asked of its store from when it was
// ready in one of its lives, by two witnesses: who recorded requests by credential, and
// the meter on its own edge.
type StoreRead struct {
	Node        string        `json:"node"`
	From        history.Time  `json:"from_ns"` // ready
	Watched     time.Duration `json:"watched_ns"`
	Requests    *int          `json:"requests"`    // with its own credential; null: nobody recorded requests
	Connections *int          `json:"connections"` // on its own edge; null: it has no meter
	Bytes       *int64        `json:"bytes"`       // on that edge, in both directions, at most; also null if the harness connected there

	// Probed is whether the harness connected there.
	Probed bool `json:"probed"`
}

// storeReads are the times in which data planes were ready, by when they began.
func (r recorded) storeReads(run objective.Run) []StoreRead {
	rows := []StoreRead{}
	meters := r.meters()
	for _, at := range run.Residing {
		row := StoreRead{Node: at.Node, From: at.From, Watched: max(at.To.Sub(at.From), 0)}
		if run.Audited {
			n := len(at.Requests)
			row.Requests = &n
		}
		if at.Metered {
			n := len(at.Dials)
			row.Connections = &n
			row.meter(meters[at.Node+">"+r.storeOf(at.Node)], at)
		}
		rows = append(rows, row)
	}
	return rows
}

// meters are what the meter of each edge told, by time.
func (r recorded) meters() map[string][]*history.Event {
	told := make(map[string][]*history.Event)
	for _, e := range r.of(history.EdgeConnect, history.EdgeBytes) {
		told[e.Edge] = append(told[e.Edge], e)
	}
	return told
}

// meter counts the bytes on the edge of a data plane to its store. The meter is read
// now and then, so that what moved just before it was ready may be among them. What the
// harness sent to witness a fault cannot be told from the data plane's.
func (row *StoreRead) meter(told []*history.Event, at oracle.Residence) {
	before, last := int64(0), int64(0)
	for _, e := range told {
		switch {
		case e.At > at.To:
		case e.Kind == history.EdgeConnect:
			row.Probed = row.Probed || e.At >= at.From && !own(e)
		default:
			last = e.Offered
			if e.At <= at.From {
				before = e.Offered
			}
		}
	}
	if moved := last - before; !row.Probed {
		row.Bytes = &moved
	}
}

// storeOf is the store of a node.
func (r recorded) storeOf(node string) string {
	for _, n := range r.header.Nodes {
		if n.Name == node && n.Store != "" {
			return n.Store
		}
	}
	return "store"
}
