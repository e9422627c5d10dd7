// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package toxic

import (
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// DelayType is the name under which Toxiproxy's API knows [Delay].
const DelayType = "delay"

// delayBuffer is how many chunks can be on their way at once, as in Toxiproxy's
// latency.
const delayBuffer = 1024

// maxDelay is the longest delay. It is far beyond every time-out.
const maxDelay = time.Hour

var (
	_ toxics.Toxic         = (*Delay)(nil)
	_ toxics.BufferedToxic = (*Delay)(nil)
	_ toxics.StatefulToxic = (*Delay)(nil)
	_ toxics.CleanupToxic  = (*Delay)(nil)
)

// Delay passes every chunk on late. Chunks keep their order, so one that drew a
// short delay may still have to wait for the one before it. The end of the stream
// is not late.
//
//	{"type":"delay","stream":"upstream","attributes":{"delay":200000000,"jitter":50000000,"seed":42}}
//
// The n-th connection that the toxic meets draws the same delays whenever the
// seed is the same.
type Delay struct {
	Delay  time.Duration `json:"delay"`  // nanoseconds
	Jitter time.Duration `json:"jitter"` // at most so far from Delay, evenly drawn; nanoseconds
	Seed   uint64        `json:"seed"`

	links atomic.Uint64
}

// UnmarshalJSON implements [json.Unmarshaler].
func (t *Delay) UnmarshalJSON(text []byte) error {
	type attributes Delay
	if err := decode(text, (*attributes)(t)); err != nil {
		return err
	}
	if t.Delay < 0 || t.Delay > maxDelay || t.Jitter < 0 || t.Jitter > t.Delay {
		return errors.New("give a delay from 0 to an hour, in nanoseconds, and a jitter no larger than it")
	}
	return nil
}

// delayed is the toxic's state on one link.
type delayed struct {
	Link

	draw *rand.Rand
	last time.Time // when the last chunk was due
}

// GetBufferSize implements [toxics.BufferedToxic].
func (t *Delay) GetBufferSize() int { return delayBuffer }

// NewState implements [toxics.StatefulToxic].
func (t *Delay) NewState() any {
	return &delayed{draw: rand.New(rand.NewPCG(t.Seed, t.links.Add(1)))}
}

// Pipe implements [toxics.Toxic].
func (t *Delay) Pipe(stub *toxics.ToxicStub) {
	l := stub.State.(*delayed)
	l.Pass(stub, func(chunk *stream.StreamChunk) Piece {
		due := chunk.Timestamp.Add(t.drawn(l.draw))
		if due.Before(l.last) {
			due = l.last
		}
		l.last = due
		return Piece{Size: len(chunk.Data), Due: due}
	})
}

// drawn is one chunk's delay.
func (t *Delay) drawn(draw *rand.Rand) time.Duration {
	return t.Delay - t.Jitter + time.Duration(draw.Int64N(2*int64(t.Jitter)+1))
}

// Cleanup implements [toxics.CleanupToxic].
func (t *Delay) Cleanup(stub *toxics.ToxicStub) {
	if l, ok := stub.State.(*delayed); ok {
		l.Release(stub)
	}
}
