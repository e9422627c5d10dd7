// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package meter is the live byte meter of Blackout's Toxiproxy: a toxic that
// changes nothing and counts what passes it. It is what witnesses a fault.
// Toxiproxy's own byte metrics move only when a connection ends, so they cannot
// tell a severed edge from an idle one while its connections stay open.
//
// Toxics are chained in the order in which they are added. A meter placed
// before a fault ("offered") counts what clients attempt; one placed after it
// ("passed") counts what came through. A TCP connection makes one link in each
// direction: take an edge's number of connections from its upstream meter.
// Toxiproxy dials the upstream before it makes the links, so a connection whose
// upstream refuses is never seen by any toxic.
//
// The central type is [Toxic]. Call [Register] once before Toxiproxy's server
// starts, serve [Handler] at [Path], and add the toxic through Toxiproxy's API:
//
//	POST /proxies/<edge>/toxics
//	{"type":"meter","stream":"upstream","attributes":{"id":"<edge>/offered/upstream"}}
//
// Two meters with the same id share their counts. Counts outlive the toxic and
// the proxy, so a meter that is taken out and put back goes on counting.
package meter

import (
	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"

	"blackout/internal/toxic"
)

// Type is the name under which Toxiproxy's API knows the meter.
const Type = "meter"

var (
	_ toxics.Toxic         = (*Toxic)(nil)
	_ toxics.StatefulToxic = (*Toxic)(nil)
	_ toxics.CleanupToxic  = (*Toxic)(nil)
)

// process holds the counts of this process. It is a package variable because
// Toxiproxy makes toxics by reflection, so a toxic cannot be given anything.
var process = newRegistry(sinceNow())

// Register makes the toxic known to Toxiproxy's servers of this process.
func Register() { toxics.Register(Type, new(Toxic)) }

// Toxic counts the connections and bytes that pass it, and changes neither.
type Toxic struct {
	// ID names the counts, by convention "<edge>/<offered|passed>/<direction>".
	ID string `json:"id"`
}

// link is the meter's state on one link. Toxiproxy makes it once per link and
// keeps it while Pipe is left and entered again.
type link struct {
	toxic.Link

	count *counter
}

// NewState implements [toxics.StatefulToxic]. It is called once per link, also
// for links that are open when the toxic is added, and counts the connection.
func (t *Toxic) NewState() any {
	return &link{count: process.open(t.ID)}
}

// Pipe implements [toxics.Toxic]. It may be interrupted and entered again at
// any time, also while the next stage takes nothing: the chunk in hand is kept
// for the next entry, so that a fault can be added to a stalled connection.
func (t *Toxic) Pipe(stub *toxics.ToxicStub) {
	state := stub.State.(*link)
	state.Pass(stub, func(chunk *stream.StreamChunk) toxic.Piece {
		process.add(state.count, len(chunk.Data))
		return toxic.Whole(chunk)
	})
}

// Cleanup implements [toxics.CleanupToxic].
func (t *Toxic) Cleanup(stub *toxics.ToxicStub) {
	if state, ok := stub.State.(*link); ok {
		state.Release(stub)
	}
}
