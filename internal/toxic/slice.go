// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package toxic

import (
	"errors"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// SliceType is the name under which Toxiproxy's API knows [Slice].
const SliceType = "slice"

var (
	_ toxics.Toxic         = (*Slice)(nil)
	_ toxics.StatefulToxic = (*Slice)(nil)
	_ toxics.CleanupToxic  = (*Slice)(nil)
)

// Slice passes chunks on in pieces, each written on its own. The receiver's
// network may put them together again if nothing delays them.
//
//	{"type":"slice","stream":"downstream","attributes":{"bytes":100,"delay":1000000}}
type Slice struct {
	Bytes int           `json:"bytes"` // of a piece, at most
	Delay time.Duration `json:"delay"` // before each piece; nanoseconds
}

// UnmarshalJSON implements [json.Unmarshaler].
func (t *Slice) UnmarshalJSON(text []byte) error {
	type attributes Slice
	if err := decode(text, (*attributes)(t)); err != nil {
		return err
	}
	if t.Bytes <= 0 || t.Delay < 0 {
		return errors.New("give at least one byte to a piece, and no negative delay")
	}
	return nil
}

// NewState implements [toxics.StatefulToxic].
func (t *Slice) NewState() any { return new(Link) }

// Pipe implements [toxics.Toxic].
func (t *Slice) Pipe(stub *toxics.ToxicStub) {
	stub.State.(*Link).Pass(stub, func(left *stream.StreamChunk) Piece {
		p := Piece{Size: min(len(left.Data), t.Bytes)}
		if t.Delay > 0 {
			p.Due = time.Now().Add(t.Delay)
		}
		return p
	})
}

// Cleanup implements [toxics.CleanupToxic].
func (t *Slice) Cleanup(stub *toxics.ToxicStub) {
	if l, ok := stub.State.(*Link); ok {
		l.Release(stub)
	}
}
