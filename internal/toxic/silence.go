// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package toxic

import (
	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// SilenceType is the name under which Toxiproxy's API knows [Silence].
const SilenceType = "silence"

var (
	_ toxics.Toxic         = (*Silence)(nil)
	_ toxics.StatefulToxic = (*Silence)(nil)
	_ toxics.CleanupToxic  = (*Silence)(nil)
)

// Silence swallows what it is sent: bytes and, unlike Toxiproxy's timeout, also
// the end of the stream, as a network that drops packets does. Its removal closes
// the connections that it silenced, because what they lost is lost.
//
//	{"type":"silence","stream":"upstream","attributes":{"until":""}}
//
// With a moment in Until it takes hold of the connections that it meets before that
// moment has [Come], and lets later ones through. A toxic that is added, and whose
// moment comes then, so silences the connections that stood.
type Silence struct {
	Until string `json:"until"` // name of a moment; empty: one that never comes
}

// UnmarshalJSON implements [json.Unmarshaler].
func (t *Silence) UnmarshalJSON(text []byte) error {
	type attributes Silence
	return decode(text, (*attributes)(t))
}

// silent is the toxic's state on one link.
type silent struct {
	Link

	armed bool
	ended bool // the sender is gone
}

// NewState implements [toxics.StatefulToxic].
func (t *Silence) NewState() any { return &silent{armed: !moments.has(t.Until)} }

// Pipe implements [toxics.Toxic].
func (t *Silence) Pipe(stub *toxics.ToxicStub) {
	l := stub.State.(*silent)
	if !l.armed {
		l.Pass(stub, Whole)
		return
	}
	for {
		select {
		case <-stub.Interrupt:
			return
		case chunk := <-l.input(stub):
			l.ended = chunk == nil
		}
	}
}

// input is where chunks come from, as long as they may.
func (l *silent) input(stub *toxics.ToxicStub) <-chan *stream.StreamChunk {
	if l.ended {
		return nil
	}
	return stub.Input
}

// Cleanup implements [toxics.CleanupToxic].
func (t *Silence) Cleanup(stub *toxics.ToxicStub) {
	l, ok := stub.State.(*silent)
	switch {
	case !ok:
	case l.armed:
		stub.Close()
	default:
		l.Release(stub)
	}
}
