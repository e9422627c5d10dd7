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
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// Type is the name under which Toxiproxy's API knows the meter.
const Type = "meter"

// flushTimeout bounds the hand-over of a chunk that a meter holds while it is
// removed. Toxiproxy gives the rest of a removed toxic's buffer the same time.
const flushTimeout = 5 * time.Second

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
	count *counter
	held  *stream.StreamChunk // received and counted, not yet passed on
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
	for {
		if state.held == nil && !state.receive(stub) {
			return
		}
		select {
		case <-stub.Interrupt:
			return
		case stub.Output <- state.held:
			state.held = nil
		}
	}
}

// receive takes the next chunk in hand and counts it. It returns false when the
// link was interrupted or has ended.
func (l *link) receive(stub *toxics.ToxicStub) bool {
	select {
	case <-stub.Interrupt:
		return false
	case chunk := <-stub.Input:
		if chunk == nil {
			stub.Close()
			return false
		}
		process.add(l.count, len(chunk.Data))
		l.held = chunk
		return true
	}
}

// Cleanup implements [toxics.CleanupToxic]: it passes on the chunk in hand when
// the meter is removed. Where that is not possible the stream would have a
// hole, so the link is closed instead.
func (t *Toxic) Cleanup(stub *toxics.ToxicStub) {
	state, ok := stub.State.(*link)
	if !ok || state.held == nil {
		return
	}
	if err := stub.WriteOutput(state.held, flushTimeout); err != nil {
		stub.Close()
	}
	state.held = nil
}
