// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package toxic

import (
	"errors"
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// PaceType is the name under which Toxiproxy's API knows [Pace].
const PaceType = "pace"

// paceStep is how much passes at once, as a span of the rate.
const paceStep = 20 * time.Millisecond

var (
	_ toxics.Toxic         = (*Pace)(nil)
	_ toxics.StatefulToxic = (*Pace)(nil)
	_ toxics.CleanupToxic  = (*Pace)(nil)
)

// Pace lets no more than a number of bytes a second through, without a burst.
// All connections share them, as they share a narrow line; with Toxiproxy's
// bandwidth each has its own, in whole kilobytes.
//
//	{"type":"pace","stream":"downstream","attributes":{"rate":50000}}
type Pace struct {
	Rate int64 `json:"rate"` // bytes a second

	mu   sync.Mutex
	free time.Time // when the next byte may pass
}

// UnmarshalJSON implements [json.Unmarshaler].
func (t *Pace) UnmarshalJSON(text []byte) error {
	type attributes Pace
	if err := decode(text, (*attributes)(t)); err != nil {
		return err
	}
	if t.Rate <= 0 {
		return errors.New("give a rate of at least one byte a second")
	}
	return nil
}

// NewState implements [toxics.StatefulToxic].
func (t *Pace) NewState() any { return new(Link) }

// Pipe implements [toxics.Toxic].
func (t *Pace) Pipe(stub *toxics.ToxicStub) {
	stub.State.(*Link).Pass(stub, t.reserve)
}

// reserve books the passage of what goes next of a chunk.
func (t *Pace) reserve(left *stream.StreamChunk) Piece {
	step := max(1, t.Rate/int64(time.Second/paceStep))
	size := min(int64(len(left.Data)), step)
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); t.free.Before(now) {
		t.free = now
	}
	t.free = t.free.Add(time.Duration(size * int64(time.Second) / t.Rate))
	return Piece{Size: int(size), Due: t.free}
}

// Cleanup implements [toxics.CleanupToxic].
func (t *Pace) Cleanup(stub *toxics.ToxicStub) {
	if l, ok := stub.State.(*Link); ok {
		l.Release(stub)
	}
}
